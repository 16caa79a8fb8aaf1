import type { AuditLink } from "../store/audit-log.ts";
import { type AuditEntry, entriesOf } from "./entries.ts";
import { ACCEPTED_LOSS } from "./record.ts";

const DROPPED = '{"kind":"loss"';
const ADMIN = '{"kind":"admin"';
const ACCEPTED = `"action":"${ACCEPTED_LOSS}"`;

/** The records of a link that tell of others that are missing: dropped while the disk was full, or accepted as lost. */
export function lossesIn(link: AuditLink): AuditEntry[] {
  // Almost no link has such a text in it, and then it need not be taken apart.
  if (!link.lines.includes(DROPPED) && !link.lines.includes(ACCEPTED)) return [];
  return entriesOf([link]).filter(
    ({ record }) => record.startsWith(DROPPED) || (record.startsWith(ADMIN) && record.includes(ACCEPTED)),
  );
}
