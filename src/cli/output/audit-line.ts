import type { AuditEntry } from "../../audit/entries.ts";
import { printable, timestamp } from "./output.ts";

/** One record as one line: time, who, what, decision, status. */
export function auditLine(entry: AuditEntry): string {
  const record = recordOf(entry);
  const text = (name: string): string => asText(record[name]);
  const at = record["at_ms"];
  const time = typeof at === "number" && Math.abs(at) <= 8.64e15 ? timestamp(at) : "-";
  const words =
    record["kind"] === "admin"
      ? [text("actor"), text("action"), text("target")]
      : [
          text("subject") || text("address") || "-",
          text("method"),
          text("path"),
          text("sandbox"),
          text("decision"),
          text("rule"),
          text("status"),
          text("outcome"),
        ];
  return printable([time, ...words.filter((word) => word !== "")].join("  "));
}

function asText(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** One record as one JSON text, with its place in the chain. */
export function auditJson(entry: AuditEntry): string {
  return JSON.stringify({ ...recordOf(entry), seq: entry.seq, hash: entry.hash });
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
