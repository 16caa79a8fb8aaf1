import { isIPv6 } from "node:net";
import { LINK_PARAMETER } from "../../auth/link-text.ts";
import type { Config } from "../../config/schema.ts";
import type { Scope } from "../../domain/credential/link.ts";
import { isHostLabel } from "../../domain/sandbox.ts";
import { origin } from "../../domain/value/networks.ts";
import { parsed, UsageError } from "../usage-error.ts";

export interface LinkPlace {
  readonly config: Pick<Config, "PUBLIC_URL" | "GATEWAY_HOST" | "GATEWAY_PORT" | "GATEWAY_DOMAIN">;
  /** In the place of what the configuration says. */
  readonly baseUrl: string | undefined;
  /** To the sandbox's own host. */
  readonly byHost: boolean;
}

/** The URL that a client opens. @throws UsageError when there is none. */
export function linkUrl(
  { config, baseUrl, byHost }: LinkPlace,
  { sandboxId, port, path }: Pick<Scope, "sandboxId" | "port" | "path">,
  text: string,
): string {
  const base = new URL(
    baseUrl === undefined ? config.PUBLIC_URL || listening(config) : parsed(origin(), baseUrl, "--base-url"),
  );
  const query = `?${LINK_PARAMETER}=${text}`;
  if (!byHost) {
    const mount = `/s/${sandboxId}${port === null ? "" : `:${port}`}`;
    return `${base.origin}${mount}${path}${query}`;
  }
  if (config.GATEWAY_DOMAIN === "") throw new UsageError("--by-host needs GATEWAY_DOMAIN");
  if (!isHostLabel(sandboxId)) throw new UsageError(`--by-host: ${sandboxId} cannot be a host`);
  const label = port === null ? sandboxId : `${port}-${sandboxId}`;
  const at = base.port === "" ? "" : `:${base.port}`;
  return `${base.protocol}//${label}.${config.GATEWAY_DOMAIN}${at}${path}${query}`;
}

/** An address that stands for all of them is reached by name. */
function listening({ GATEWAY_HOST: host, GATEWAY_PORT: port }: LinkPlace["config"]): string {
  if (host === "0.0.0.0" || host === "::") return `http://localhost:${port}`;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
