import type { AuditHead, AuditTable } from "../store/audit-log.ts";
import { checkpointSigner, isCheckpoint, reasonAgainstCheckpoint } from "./checkpoint/checkpoint.ts";
import { AuditChain, GENESIS, reasonAgainst } from "./chain.ts";
import type { AuditEntry } from "./entries.ts";
import { findLoss, findLossBeside } from "./kept-head.ts";
import type { LastLine } from "./sink/last-line.ts";
import { lossesIn } from "./losses.ts";
import { UnfinishedCalls } from "./unfinished.ts";

/** What a walk along the chain found. `seq` is the first place where it does not hold. */
export type Verdict =
  | {
      readonly intact: true;
      readonly records: number;
      /** Number of the first record: those before it were dropped for their age. */
      readonly first: number;
      readonly head: AuditHead | undefined;
      /** Calls that left a start record and none of their end: the gateway was killed, or they still go on. */
      readonly unfinished: readonly AuditEntry[];
      /** Records which tell that others are missing. */
      readonly losses: readonly AuditEntry[];
      /** How many there are, the last record that the newest one is of, and the public key that all were signed with. */
      readonly checkpoints: { readonly count: number; readonly seq: number | undefined; readonly key: string };
    }
  | { readonly intact: false; readonly seq: number; readonly reason: string };

/** Links read at once. */
const PAGE = 100;

/**
 * Walks the whole chain: each link must follow from the one before it, the first one from the anchor, and the last one must
 * be the one the head proves, and a checkpoint be of what stands before it. A hash covers the records only; a link's number and count must be what the records say. Reads
 * in pages, so memory stays flat and a running daemon can go on appending and dropping; what it appends after the start is
 * only checked to be proven by a newer head.
 * What no record of itself can show is a folder put back whole to an earlier state, with the kept head in it.
 */
export function verifyChain(options: {
  table: AuditTable;
  key: Buffer;
  /** There are rows that were committed together with records. */
  hasHistory: boolean;
  /** The head kept beside the chain. */
  kept?: AuditHead | undefined;
  /** What the sink's file ends with, read before the chain. */
  sink?: LastLine | undefined;
  /** What somebody noted elsewhere. */
  noted?: LastLine | undefined;
}): Verdict {
  const { table, key, hasHistory, kept, sink, noted } = options;
  const chain = new AuditChain({ table, key });
  const head = table.head();
  const end = head?.seq ?? 0;
  const loss =
    (kept && findLoss(kept, table, chain)) ??
    (sink && findLossBeside(sink, table, "the sink has")) ??
    (noted && findLossBeside(noted, table, "somebody noted"));
  if (loss !== undefined) return broken(end + 1, loss);
  if (head !== undefined && !chain.isProven(head)) return broken(end, "the head was not written by this gateway");
  if (head === undefined && (hasHistory || table.last(1).length > 0)) return broken(1, "the whole chain is missing");

  const anchor = table.anchor();
  if (anchor !== undefined && !chain.isAnchor(anchor))
    return broken(anchor.seq, "the anchor was not written by this gateway");
  const start = anchor ?? { seq: 0, hash: GENESIS };
  let last: Pick<AuditHead, "seq" | "hash"> = start;
  const calls = new UnfinishedCalls();
  const losses: AuditEntry[] = [];
  const { publicKey } = checkpointSigner(key);
  let checkpoints: { count: number; seq: number | undefined; key: string } = {
    count: 0,
    seq: undefined,
    key: publicKey,
  };
  while (last.seq < end) {
    // From the very first row: one with a number that no record has is found too.
    const page = table.after(last === start ? -Infinity : last.seq, PAGE).filter((next) => next.seq <= end);
    if (page.length === 0) return broken(last.seq + 1, "the end of the chain is missing");
    for (const next of page) {
      const isSigned = isCheckpoint(next);
      const reason =
        reasonAgainst(next, last) ?? (isSigned ? reasonAgainstCheckpoint(next.lines, last, publicKey) : undefined);
      if (reason !== undefined) {
        // What a running daemon has dropped meanwhile is not missing: the chain begins later now.
        const hasMoved = (table.anchor()?.seq ?? 0) > start.seq;
        return hasMoved ? verifyChain(options) : broken(last.seq + 1, reason);
      }
      if (isSigned) checkpoints = { ...checkpoints, count: checkpoints.count + 1, seq: last.seq };
      last = next;
      calls.add(next);
      losses.push(...lossesIn(next));
    }
  }
  if (head !== undefined && head.hash !== last.hash)
    return broken(end, "the last record is not the one the head proves");

  // In this order: a record the daemon appends in between is covered by the head read after it.
  const newest = table.last(1)[0]?.seq ?? 0;
  const newestProven = table.head()?.seq ?? 0;
  if (newest > newestProven) return broken(newestProven + 1, "a record was added without proof");
  return {
    intact: true,
    records: end - start.seq,
    first: start.seq + 1,
    head,
    unfinished: calls.list(),
    losses,
    checkpoints,
  };
}

function broken(seq: number, reason: string): Verdict {
  return { intact: false, seq, reason };
}
