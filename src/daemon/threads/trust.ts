import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Config } from "../../config/schema.ts";
import type { Settings } from "../../domain/settings/settings.ts";
import { type TargetPolicy, targetPolicy } from "../../domain/target-policy.ts";
import { GatewayError } from "../../errors.ts";
import type { TlsTrust } from "../../proxy/upstream/reach/secure.ts";

export type TrustConfig = Pick<Config, "PROXY_TLS_CA_FILE" | "PROXY_TLS_CERT_FILE" | "PROXY_TLS_KEY_FILE">;

/** Where instances may be, and how those behind TLS are known. */
export interface Reaching {
  readonly targets: TargetPolicy;
  readonly trust: TlsTrust;
  /** What both were made from: connections that were made under the same are as good as new ones. */
  readonly basis: readonly unknown[];
}

/** @throws GatewayError GW_012 when a file that it names cannot be read or is not what it should be. */
export function readReaching(config: Config): Reaching {
  const { TARGET_ALLOW, TARGET_DENY } = config;
  const trust = readTrust(config);
  return { targets: targetPolicy(TARGET_ALLOW, TARGET_DENY), trust, basis: [trust, TARGET_ALLOW, TARGET_DENY] };
}

/**
 * What the configuration says about instances behind TLS: its files, read.
 * @throws GatewayError GW_012 when one cannot be read or is not what it should be.
 */
export function readTrust(config: TrustConfig): TlsTrust {
  const ca = contentOf(config, "PROXY_TLS_CA_FILE");
  const certificate = contentOf(config, "PROXY_TLS_CERT_FILE");
  const key = contentOf(config, "PROXY_TLS_KEY_FILE");
  if ((certificate === "") !== (key === "")) {
    throw new GatewayError("GW_012", { details: "PROXY_TLS_CERT_FILE and PROXY_TLS_KEY_FILE are needed both" });
  }
  check("PROXY_TLS_CA_FILE", () => createSecureContext(ca === "" ? {} : { ca }));
  check("PROXY_TLS_CERT_FILE and PROXY_TLS_KEY_FILE", () =>
    createSecureContext(certificate === "" ? {} : { cert: certificate, key }),
  );
  return { verify: true, serverName: "", ca, certificate, key };
}

/** The same for the instances of a sandbox with these settings. */
export function trustWith(trust: TlsTrust, { tlsCa, tlsServerName, tlsSkipVerify }: Settings): TlsTrust {
  return {
    ...trust,
    verify: tlsSkipVerify !== true,
    ca: tlsCa ?? trust.ca,
    serverName: tlsServerName ?? trust.serverName,
  };
}

function contentOf(config: TrustConfig, name: keyof TrustConfig): string {
  const file = config[name];
  return file === "" ? "" : check(name, () => readFileSync(file, "utf8"));
}

function check<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new GatewayError("GW_012", { details: `${name}: ${(cause as Error).message}`, cause });
  }
}
