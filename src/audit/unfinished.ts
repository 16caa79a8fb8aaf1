import type { AuditLink } from "../store/audit-log.ts";
import { type AuditEntry, entriesOf } from "./entries.ts";
import { STARTED } from "./record.ts";

const START = '{"kind":"start"';

/**
 * Finds start records without an end in a chain that is read link by link.
 * Holds no more than what is open at a time.
 */
export class UnfinishedCalls {
  readonly #open = new Map<string, AuditEntry>();

  add(link: AuditLink): void {
    // Almost no link has a start record's text in it, and then it need not be taken apart.
    if (!link.lines.includes(START) && !link.lines.includes(STARTED)) return;
    for (const entry of entriesOf([link])) {
      const { record } = entry;
      const isStart = record.startsWith(START);
      if (!isStart && !record.includes(STARTED)) continue;
      const requestId = requestIdOf(record);
      if (isStart) this.#open.set(requestId, entry);
      else this.#open.delete(requestId);
    }
  }

  /** In the order in which they started. */
  list(): AuditEntry[] {
    return [...this.#open.values()];
  }
}

function requestIdOf(record: string): string {
  const value: unknown = JSON.parse(record);
  const id = typeof value === "object" && value !== null && "request_id" in value ? value.request_id : undefined;
  return typeof id === "string" ? id : "";
}
