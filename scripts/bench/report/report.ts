import type { Entrant } from "../compare.ts";
import type { AddedLatency, Sample } from "../measure.ts";
import { median } from "./median.ts";
import type { Ratio } from "./ratios.ts";

/** One target's results over all rounds. */
export interface Row {
  readonly name: string;
  readonly about: string;
  /** The middle of each figure on its own; failures are added up. */
  readonly median: Sample;
  readonly rounds: readonly Sample[];
  readonly added: AddedLatency | undefined;
}

export function toRow({ target, rounds, added }: Entrant): Row {
  const middle = (figure: keyof Sample) => median(rounds.map((sample) => sample[figure]));
  const medians = {
    requestsPerSecond: middle("requestsPerSecond"),
    cpuPerRequest: middle("cpuPerRequest"),
    p50: middle("p50"),
    p99: middle("p99"),
    noise: middle("noise"),
    failed: rounds.reduce((sum, sample) => sum + sample.failed, 0),
  };
  return { name: target.name, about: target.about, median: medians, rounds, added };
}

/** The results as lines for a terminal. */
export function resultsTable(rows: readonly Row[]): string {
  const cells = rows.map(({ name, about, median: m, rounds, added }) => [
    name,
    m.requestsPerSecond.toFixed(0),
    m.cpuPerRequest.toFixed(1),
    range(rounds.map(({ cpuPerRequest }) => cpuPerRequest)),
    milliseconds(m.p50),
    milliseconds(m.p99),
    added === undefined ? "" : `${milliseconds(added.p50)} / ${milliseconds(added.p99)}`,
    `${(m.noise * 100).toFixed(0)} %`,
    m.failed === 0 ? about : `${m.failed} REQUESTS FAILED; ${about}`,
  ]);
  const head = ["target", "req/s", "CPU µs/req", "from-to", "p50 ms", "p99 ms", "added p50/p99 ms", "noise", "how"];
  return table(head, cells);
}

export function ratiosTable(found: readonly Ratio[]): string {
  const cells = found.map(({ name, value, first, goal }) => {
    const verdict = value <= goal ? "goal reached" : value <= first ? "first mark reached" : "NOT YET";
    return [name, value.toFixed(2), `≤ ${first}`, `≤ ${goal}`, verdict];
  });
  return table(["sandboxgw", "", "first", "goal", ""], cells);
}

/** Columns of equal width; those whose cells are all numbers are aligned to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = head.map((title, at) => {
    const cells = rows.map((row) => row[at] ?? "");
    const width = Math.max(title.length, ...cells.map((cell) => cell.length));
    const numeric = cells.every((cell) => /^[-\d. /%≤]*$/.test(cell));
    return [title, ...cells].map((cell) => (numeric ? cell.padStart(width) : cell.padEnd(width)));
  });
  const lines = [...rows.keys(), rows.length].map((line) => columns.map((column) => column[line]).join("  "));
  return lines.map((line) => line.trimEnd()).join("\n");
}

function range(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(0)}-${Math.max(...values).toFixed(0)}`;
}

function milliseconds(microseconds: number): string {
  return (microseconds / 1000).toFixed(2);
}
