import type { Entrant } from "../compare.ts";
import { median } from "./median.ts";

/** A figure the gateway is judged by, with its first and its final mark: less is better. */
export interface Ratio {
  readonly name: string;
  readonly value: number;
  readonly first: number;
  readonly goal: number;
}

/** Every figure whose two sides were measured in this run. */
export function ratios(entrants: readonly Entrant[]): Ratio[] {
  const find = (name: string) => entrants.find(({ target }) => target.name === name);
  const [gateway, caddy, haproxy] = ["sandboxgw", "caddy", "haproxy+jwt+stick"].map(find);
  const found: Ratio[] = [];
  if (gateway === undefined) return found;
  if (caddy !== undefined) {
    found.push({ name: "CPU per request ÷ caddy", value: costRatio(gateway, caddy), first: 0.8, goal: 0.35 });
  }
  if (haproxy !== undefined) {
    const value = costRatio(gateway, haproxy);
    found.push({ name: "CPU per request ÷ haproxy+jwt+stick", value, first: 2.7, goal: 1.25 });
  }
  const before = find("sandboxgw before");
  if (before !== undefined) {
    found.push({ name: "CPU per request ÷ before", value: costRatio(gateway, before), first: 1.02, goal: 1 });
  }
  if (gateway.added !== undefined) {
    found.push({ name: "added p99 at the fixed rate, ms", value: gateway.added.p99 / 1000, first: 3, goal: 1 });
  }
  return found;
}

/** The two sides of a round are compared with each other, because the machine's speed changes between rounds. */
function costRatio(one: Entrant, other: Entrant): number {
  const costs = one.rounds.map(
    ({ cpuPerRequest }, at) => cpuPerRequest / (other.rounds[at]?.cpuPerRequest ?? Number.NaN),
  );
  return median(costs);
}
