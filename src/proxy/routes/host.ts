// Sandboxes as hosts: each is an origin of its own, `{id}.GATEWAY_DOMAIN`.

/** How a host ends that is a sandbox's, in lower case; empty when there are none. */
export type HostSuffix = string;

export function hostSuffix(domain: string): HostSuffix {
  return domain === "" ? "" : `.${domain.toLowerCase()}`;
}

/**
 * What a host names under the gateway's domain; undefined when it is not under it. It may be no sandbox's id, nor look like
 * one: then it is nobody's. `host`: as received, with or without a port and the root's dot.
 */
export function hostLabel(host: string, suffix: HostSuffix): string | undefined {
  if (suffix === "") return undefined;
  const bare = bareHost(host);
  return bare.endsWith(suffix) ? bare.slice(0, -suffix.length) : undefined;
}

/** A host in lower case, without its port and the root's dot. An IPv6 address may lose its end: no name is like it. */
export function bareHost(host: string): string {
  const colon = host.lastIndexOf(":");
  const name = (colon < 0 ? host : host.slice(0, colon)).toLowerCase();
  return name.endsWith(".") ? name.slice(0, -1) : name;
}
