import type { AuditLink } from "../store/audit-log.ts";

/** One record as it is shown: with its number, and the hash of the link it was committed with. */
export interface AuditEntry {
  readonly seq: number;
  /** JSON text. */
  readonly record: string;
  /** Hex. */
  readonly hash: string;
}

/** The records of these links, in order. Numbered from the end, so that the last one of a link has the link's number. */
export function entriesOf(links: readonly AuditLink[]): AuditEntry[] {
  return links.flatMap(({ seq, lines, hash }) => {
    const records = lines.split("\n");
    return records.map((record, index) => ({ seq: seq - records.length + 1 + index, record, hash }));
  });
}
