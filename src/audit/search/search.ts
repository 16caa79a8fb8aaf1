import type { KeyObject } from "node:crypto";
import type { AuditBlock, AuditIndex, AuditTable } from "../../store/audit-log.ts";
import { type AuditEntry, entriesOf } from "../entries.ts";
import { isProven, mayHold } from "./block.ts";
import { type AuditFilter, matches, recordOf, wantedTerms } from "./filter.ts";

export type Order = "newest first" | "oldest first";

/** Some of what a search finds. */
export interface AuditPage {
  /** In the order that was asked for. */
  readonly entries: readonly AuditEntry[];
  /** Where to go on; undefined when there is no more. */
  readonly next: number | undefined;
}

/** Blocks looked at in one page, records read in it, and records of a stretch without blocks that are read at once. */
const PAGE_BLOCKS = 2_000;
const PAGE_RECORDS = 2_000;
const STRETCH = 500;

/** Records in a row. `block`: what is known of them. */
interface Stretch {
  readonly first: number;
  readonly last: number;
  readonly block?: AuditBlock;
}

/**
 * A page of the records that are asked for: as many as are found in a moment, perhaps none, though more may come. Blocks
 * (block.ts) say where nothing is to be found; what has none, or one that this gateway did not write, is read, so that
 * nobody hides a record by changing them.
 * @param cursor Where an earlier page said to go on.
 */
export function searchPage(options: {
  table: Pick<AuditTable, "head" | "anchor" | "after"> & AuditIndex;
  key: KeyObject;
  filter: AuditFilter;
  order: Order;
  cursor?: number | undefined;
}): AuditPage {
  const { table, key, filter, order, cursor } = options;
  const wanted = wantedTerms(filter);
  const isForward = order === "oldest first";
  const [begin, end] = [(table.anchor()?.seq ?? 0) + 1, table.head()?.seq ?? 0];
  const from = isForward ? Math.max(begin, cursor ?? begin) : Math.min(end, cursor ?? end);
  const known = { table, isProven: (block: AuditBlock) => isProven(block, key) };
  const stretches = isForward ? forward(known, from, end) : backward(known, from, begin);
  const entries: AuditEntry[] = [];
  let [looked, read] = [0, 0];
  for (const stretch of stretches) {
    looked += 1;
    if (stretch.block === undefined || mayMatch(stretch.block, filter, wanted)) {
      const records = recordsOf(table, stretch);
      read += records.length;
      const found = records.filter(({ record }) => matches(recordOf(record) ?? {}, filter, wanted));
      entries.push(...(isForward ? found : found.toReversed()));
    }
    const next = isForward ? stretch.last + 1 : stretch.first - 1;
    if (isForward ? next > end : next < begin) break;
    if (looked >= PAGE_BLOCKS || read >= PAGE_RECORDS) return { entries, next };
  }
  return { entries, next: undefined };
}

function mayMatch(block: AuditBlock, { from, until }: AuditFilter, wanted: readonly string[]): boolean {
  if (from !== undefined && block.newest < from) return false;
  if (until !== undefined && block.oldest >= until) return false;
  return mayHold(block, wanted);
}

/** Whole links are read, and what they hold beside it is left out. */
function recordsOf(table: Pick<AuditTable, "after">, { first, last }: Stretch): AuditEntry[] {
  const entries: AuditEntry[] = [];
  let seen = first - 1;
  while (seen < last) {
    const links = table.after(seen, STRETCH);
    if (links.length === 0) break;
    for (const entry of entriesOf(links)) if (entry.seq >= first && entry.seq <= last) entries.push(entry);
    seen = links.at(-1)?.seq ?? last;
  }
  return entries;
}

interface Known {
  readonly table: AuditIndex;
  readonly isProven: (block: AuditBlock) => boolean;
}

function* forward({ table, isProven: proven }: Known, from: number, end: number): Generator<Stretch> {
  let at = from;
  while (at <= end) {
    const blocks = table.blocksFrom(at, PAGE_BLOCKS);
    for (const block of blocks.filter(proven)) {
      yield* cut(at, Math.min(block.first - 1, end));
      yield { first: block.first, last: block.last, block };
      at = block.last + 1;
    }
    if (blocks.length < PAGE_BLOCKS) {
      yield* cut(at, end);
      return;
    }
  }
}

function* backward({ table, isProven: proven }: Known, from: number, begin: number): Generator<Stretch> {
  let at = from;
  while (at >= begin) {
    const blocks = table.blocksTo(at, PAGE_BLOCKS);
    for (const block of blocks.filter(proven)) {
      yield* cut(Math.max(block.last + 1, begin), at).toReversed();
      yield { first: block.first, last: block.last, block };
      at = block.first - 1;
    }
    if (blocks.length < PAGE_BLOCKS) {
      yield* cut(begin, at).toReversed();
      return;
    }
  }
}

/** A stretch without blocks in pieces. */
function cut(first: number, last: number): Stretch[] {
  const pieces: Stretch[] = [];
  for (let at = first; at <= last; at += STRETCH) pieces.push({ first: at, last: Math.min(at + STRETCH - 1, last) });
  return pieces;
}
