import type { Config } from "../../config/schema.ts";
import { isHostLabel, type Sandbox } from "../../domain/sandbox.ts";
import { textsOf } from "../../domain/settings/settings.ts";

/** What is allowed but may not be what its administrator means, each a warning. `changed`: the settings that were just given. */
export function doubtsOf(sandbox: Sandbox, config: Config, changed: readonly string[]): string[] {
  return [
    ...unverified(sandbox),
    ...(changed.includes("ports") ? ownPorts(sandbox) : []),
    ...(changed.includes("queue-timeout") ? cutShort(sandbox, config) : []),
    ...withoutEffect(sandbox, changed),
  ];
}

/** Of an id, when its sandbox is added. */
export function doubtsOfId(id: string, { GATEWAY_DOMAIN }: Config): string[] {
  if (GATEWAY_DOMAIN === "" || isHostLabel(id)) return [];
  return [`${id} cannot be a host under GATEWAY_DOMAIN: it is reached by path only`];
}

function unverified({ id, instances, settings }: Sandbox): string[] {
  if (settings.tlsSkipVerify !== true || !instances.some(({ url }) => url.startsWith("https:"))) return [];
  return [`${id}: NO CERTIFICATE IS CHECKED (--tls-skip-verify): whoever answers at its addresses gets its requests`];
}

/** Behind a loopback address is whatever this machine runs, the gateway's own admin pages too. */
function ownPorts({ id, instances, settings }: Sandbox): string[] {
  const local = instances.find(({ url }) => /^https?:\/\/(?:127\.|\[::1\]|localhost\b)/.test(url));
  if (settings.ports === undefined || local === undefined) return [];
  return [`${id}: --ports opens these ports of this machine itself, because ${local.url} is on it`];
}

function cutShort({ id, settings }: Sandbox, { QUEUE_TIMEOUT }: Config): string[] {
  if ((settings.queueTimeout ?? 0) <= QUEUE_TIMEOUT) return [];
  const asked = textsOf(settings)["queue-timeout"];
  return [
    `${id}: --queue-timeout ${asked} is more than QUEUE_TIMEOUT, ${QUEUE_TIMEOUT / 1000}s: no call waits longer than that`,
  ];
}

/** Who sets only how long, or for whom, easily thinks that it is on. */
function withoutEffect({ id, settings }: Sandbox, changed: readonly string[]): string[] {
  return changed.flatMap((option) => {
    if (option === "sticky-ttl" && settings.sticky === undefined)
      return [`${id}: --${option} does nothing without --sticky`];
    if (!option.startsWith("cors-") || settings.cors === "gateway") return [];
    return [`${id}: --${option} does nothing without --cors gateway`];
  });
}
