import type { Sample } from "./measure.ts";
import type { Ratio } from "./ratios.ts";

/** One target's results over all rounds. */
export interface Row {
  readonly name: string;
  readonly about: string;
  readonly median: Sample;
  readonly rounds: readonly Sample[];
}

/** The middle of each figure on its own; failures are added up. */
export function median(samples: readonly Sample[]): Sample {
  const middle = (pick: (sample: Sample) => number | undefined): number | undefined => {
    const values = samples.map(pick).filter((value) => value !== undefined);
    values.sort((a, b) => a - b);
    const [low, high] = [values[(values.length - 1) >> 1], values[values.length >> 1]];
    return low === undefined || high === undefined ? undefined : (low + high) / 2;
  };
  const p50 = middle((sample) => sample.added?.p50);
  const p99 = middle((sample) => sample.added?.p99);
  return {
    requestsPerSecond: middle((sample) => sample.requestsPerSecond) ?? 0,
    cpuPerRequest: middle((sample) => sample.cpuPerRequest) ?? 0,
    p50: middle((sample) => sample.p50) ?? 0,
    p99: middle((sample) => sample.p99) ?? 0,
    noise: middle((sample) => sample.noise) ?? 0,
    failed: samples.reduce((sum, sample) => sum + sample.failed, 0),
    ...(p50 !== undefined && p99 !== undefined && { added: { p50, p99 } }),
  };
}

/** The results as lines for a terminal. */
export function resultsTable(rows: readonly Row[]): string {
  const cells = rows.map(({ name, about, median: m }) => [
    name,
    m.requestsPerSecond.toFixed(0),
    m.cpuPerRequest.toFixed(1),
    milliseconds(m.p50),
    milliseconds(m.p99),
    m.added === undefined ? "" : `${milliseconds(m.added.p50)} / ${milliseconds(m.added.p99)}`,
    `${(m.noise * 100).toFixed(0)} %`,
    m.failed === 0 ? "" : `${m.failed} FAILED`,
    about,
  ]);
  return table(["target", "req/s", "CPU µs/req", "p50 ms", "p99 ms", "added p50/p99 ms", "noise", "", "how"], cells);
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

function milliseconds(microseconds: number): string {
  return (microseconds / 1000).toFixed(2);
}
