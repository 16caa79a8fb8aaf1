import { isManaged, type Sandbox } from "./sandbox.ts";

/**
 * Where a call for a port of a sandbox goes: null = to the instances' own port, which is nothing special; a number = to another
 * one on their hosts. Undefined when the sandbox has no such port. Instances that the daemon starts have none at all.
 */
export function portOf({ instances, settings }: Sandbox, port: number): number | null | undefined {
  if (instances.length === 0 || instances.some(isManaged)) return undefined;
  if (instances.every(({ url }) => ownPort(url) === port)) return null;
  return settings.ports?.some(([from, to]) => from <= port && port <= to) === true ? port : undefined;
}

/** The URL of another port on an instance's host, by the same scheme. */
export function withPort(url: string, port: number): string {
  const other = new URL(url);
  other.port = String(port);
  return other.origin;
}

/** The ports that a sandbox's instances have of their own; none where the daemon starts them. */
export function ownPorts({ instances }: Sandbox): number[] {
  return instances.some(isManaged) ? [] : [...new Set(instances.map(({ url }) => ownPort(url)))];
}

/** `url`: as `parseInstanceUrl` leaves it. */
function ownPort(url: string): number {
  const written = /:(\d+)$/.exec(url)?.[1];
  if (written !== undefined) return Number(written);
  return url.startsWith("https:") ? 443 : 80;
}
