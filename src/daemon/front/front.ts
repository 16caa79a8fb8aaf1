import { isIPv4, isIPv6 } from "node:net";
import type { Config } from "../../config/schema.ts";
import type { Parts } from "../parts/parts.ts";
import { RedirectListener } from "./redirect-listener.ts";

/** Sends plain HTTP to https, where that is wanted. Resolves with the port it listens on; undefined where it is not. */
export async function startRedirect(parts: Parts, config: Config, port: () => number): Promise<number | undefined> {
  if (config.HTTP_REDIRECT_PORT === "off" || config.TLS_CERT_FILE === "") return undefined;
  const place = { host: config.GATEWAY_HOST, port: config.HTTP_REDIRECT_PORT };
  const listener = new RedirectListener({ port });
  return await parts.open(
    "redirect listener",
    () => listener.listen(place),
    () => listener.close(),
  );
}

/** What of the front door others could listen in on, or is not there although somebody asked for it: a sentence each. */
export function exposures(config: Config, redirectPort: number | undefined): string[] {
  const warnings: string[] = [];
  const {
    GATEWAY_HOST: host,
    TLS_CERT_FILE: certificate,
    TRUSTED_PROXIES: proxies,
    HTTP_REDIRECT_PORT: redirect,
  } = config;
  if (certificate === "" && proxies.length === 0 && !isLoopback(host)) {
    warnings.push(
      `clients reach ${host} in clear text, tokens included: set TLS_CERT_FILE and TLS_KEY_FILE, or TRUSTED_PROXIES where a proxy speaks TLS`,
    );
  }
  if (redirect !== "off" && redirectPort === undefined) {
    warnings.push("HTTP_REDIRECT_PORT does nothing without TLS_CERT_FILE and TLS_KEY_FILE");
  }
  return warnings;
}

function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith("127.");
  return isIPv6(host) ? host === "::1" : host === "localhost";
}
