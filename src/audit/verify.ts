import type { AuditHead, AuditLink, AuditTable } from "../store/audit-log.ts";
import { AuditChain, GENESIS, linkHash } from "./chain.ts";
import type { AuditEntry } from "./entries.ts";
import { UnfinishedCalls } from "./unfinished.ts";

/** What a walk along the chain found. `seq` is the first place where it does not hold. */
export type Verdict =
  | {
      readonly intact: true;
      readonly records: number;
      readonly head: AuditHead | undefined;
      /** Calls that left a start record and none of their end: the gateway was killed, or they still go on. */
      readonly unfinished: readonly AuditEntry[];
    }
  | { readonly intact: false; readonly seq: number; readonly reason: string };

/** Links read at once. */
const PAGE = 100;

/**
 * Walks the whole chain: each link must follow from the one before it, and the last one must be the one the head
 * proves. A hash covers the records only; a link's number and count must be what the records say. Reads in pages, so
 * memory stays flat and a running daemon can go on appending; what it appends after the start is only checked to be
 * proven by a newer head.
 * What no record of itself can show is a folder put back whole to an earlier state.
 */
export function verifyChain({
  table,
  key,
  hasHistory,
}: {
  table: AuditTable;
  key: Buffer;
  /** There are rows that were committed together with records. */
  hasHistory: boolean;
}): Verdict {
  const chain = new AuditChain({ table, key });
  const head = table.head();
  const end = head?.seq ?? 0;
  if (head !== undefined && !chain.isProven(head)) return broken(end, "the head was not written by this gateway");
  if (head === undefined && (hasHistory || table.last(1).length > 0)) return broken(1, "the whole chain is missing");

  let seq = 0;
  let link = GENESIS;
  const calls = new UnfinishedCalls();
  while (seq < end) {
    // From the very first row: one with a number that no record has is found too.
    const page = table.after(seq === 0 ? -Infinity : seq, PAGE).filter((next) => next.seq <= end);
    if (page.length === 0) return broken(seq + 1, "the end of the chain is missing");
    for (const next of page) {
      const reason = reasonAgainst(next, seq, link);
      if (reason !== undefined) return broken(seq + 1, reason);
      seq = next.seq;
      link = next.hash;
      calls.add(next);
    }
  }
  if (head !== undefined && head.hash !== link) return broken(end, "the last record is not the one the head proves");

  // In this order: a record the daemon appends in between is covered by the head read after it.
  const newest = table.last(1)[0]?.seq ?? 0;
  const newestProven = table.head()?.seq ?? 0;
  if (newest > newestProven) return broken(newestProven + 1, "a record was added without proof");
  return { intact: true, records: end, head, unfinished: calls.list() };
}

/** Why this link does not follow the one that ends with record `seq` and has the hash `previous`. */
function reasonAgainst(
  { seq: last, count, lines, hash }: AuditLink,
  seq: number,
  previous: string,
): string | undefined {
  if (last - count !== seq) return "a record is missing";
  if (hash !== linkHash(previous, lines)) {
    return count === 1 ? "the record was changed" : `a record from here to ${last} was changed`;
  }
  return count === lines.split("\n").length ? undefined : "a record is missing";
}

function broken(seq: number, reason: string): Verdict {
  return { intact: false, seq, reason };
}
