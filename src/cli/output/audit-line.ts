import type { AuditEntry } from "../../audit/entries.ts";
import { printable, timestamp } from "./output.ts";

/** Which fields stand on the line of a record of this kind, after the time. Of `a|b`, the first that is there. */
const FIELDS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ["admin", ["actor", "action", "target"]],
  ["checkpoint", ["kind", "head_seq", "head_hash"]],
  ["loss", ["kind", "records"]],
  ["refused", ["subject|address", "decision", "rule", "count"]],
  ["start", ["subject|address", "method", "path", "kind", "sandbox", "operation", "language", "execution_id"]],
]);
const CALL = ["subject|address", "method", "path", "sandbox", "decision", "rule", "status", "outcome"];

/** One record as one line: time, who, what, decision, status. */
export function auditLine(entry: AuditEntry): string {
  const record = recordOf(entry);
  const at = momentOf(record);
  const time = Math.abs(at) <= 8.64e15 ? timestamp(at) : "-";
  const fields = FIELDS.get(record["kind"]) ?? CALL;
  const words = fields.map((names) => {
    const word = asText(names.split("|").flatMap((name) => record[name] || [])[0]);
    if (names === "sandbox" && record["port"] !== undefined) return `${word}:${asText(record["port"])}`;
    if (names !== "count" || word === "") return word;
    return word === "1" ? "once" : `${word} times`;
  });
  return printable([time, ...words.filter((word) => word !== "")].join("  "));
}

/** What a line tells of, ms: a call's end, which its record is of, though it begins with when the call came. NaN when unknown. */
function momentOf({ at_ms: at, duration_ms: duration }: Readonly<Record<string, unknown>>): number {
  if (typeof at !== "number") return Number.NaN;
  return typeof duration === "number" ? Math.trunc(at + duration) : at;
}

function asText(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A record with its place in the chain. */
export function auditView(entry: AuditEntry): Readonly<Record<string, unknown>> {
  return { ...recordOf(entry), seq: entry.seq, hash: entry.hash };
}

/** The same as one JSON text. */
export function auditJson(entry: AuditEntry): string {
  return JSON.stringify(auditView(entry));
}

/** What was tampered with may be anything; it is shown, and `audit verify` says what is wrong with it. */
function recordOf({ record }: AuditEntry): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(record);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // Shown as it is.
  }
  return { kind: "unreadable", path: record };
}
