import type { Row } from "./report.ts";

/** A figure the gateway is judged by, with its first and its final mark: less is better. */
export interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly first: number;
  readonly goal: number;
}

/** Every ratio whose two sides were measured in this run. */
export function ratios(rows: readonly Row[]): Ratio[] {
  const row = (name: string) => rows.find((candidate) => candidate.name === name)?.median;
  const gateway = row("sandboxgw");
  const caddy = row("caddy");
  const haproxy = row("haproxy+jwt+stick");
  const found: Ratio[] = [];
  if (gateway !== undefined && caddy !== undefined) {
    const value = gateway.cpuPerRequest / caddy.cpuPerRequest;
    found.push({ name: "CPU per request ÷ caddy", value, first: 0.8, goal: 0.35 });
  }
  if (gateway !== undefined && haproxy !== undefined) {
    const value = gateway.cpuPerRequest / haproxy.cpuPerRequest;
    found.push({ name: "CPU per request ÷ haproxy+jwt+stick", value, first: 2.7, goal: 1.25 });
  }
  if (gateway?.added !== undefined) {
    found.push({ name: "added p99 at the fixed rate, ms", value: gateway.added.p99 / 1000, first: 3, goal: 1 });
  }
  return found;
}
