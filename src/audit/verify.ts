import type { AuditHead, Store } from "../store/store.ts";
import { AuditChain, GENESIS, linkHash } from "./chain.ts";

/** What a walk along the chain found. `seq` is the first place where it does not hold. */
export type Verdict =
  | { readonly intact: true; readonly records: number; readonly head: AuditHead | undefined }
  | { readonly intact: false; readonly seq: number; readonly reason: string };

type Recorded = Pick<Store, "audit" | "changes" | "tokens">;

const PAGE = 1000;

/**
 * Walks the whole chain: each record must follow from the one before it, and the last one must be the one the head
 * proves. Reads in pages, so memory stays flat and a running daemon can go on appending; what it appends after the
 * start is only checked to be proven by a newer head.
 * What no record of itself can show is a folder put back whole to an earlier state.
 */
export function verifyChain({ store, key }: { store: Recorded; key: Buffer }): Verdict {
  const { audit } = store;
  const chain = new AuditChain({ table: audit, key });
  const head = audit.head();
  const end = head?.seq ?? 0;
  if (head !== undefined && !chain.isProven(head)) return broken(end, "the head was not written by this gateway");
  if (head === undefined && hasHistory(store)) return broken(1, "the whole chain is missing");

  let seq = 0;
  let link = GENESIS;
  while (seq < end) {
    const page = audit.after(seq, Math.min(PAGE, end - seq));
    if (page.length === 0) return broken(seq + 1, "the end of the chain is missing");
    for (const row of page) {
      if (row.seq !== seq + 1) return broken(seq + 1, "a record is missing");
      if (row.hash !== linkHash(link, row.record)) return broken(row.seq, "the record was changed");
      seq = row.seq;
      link = row.hash;
    }
  }
  if (head !== undefined && head.hash !== link) return broken(end, "the last record is not the one the head proves");

  // In this order: a record the daemon appends in between is covered by the head read after it.
  const newest = audit.last(1)[0]?.seq ?? 0;
  const newestProven = audit.head()?.seq ?? 0;
  if (newest > newestProven) return broken(newestProven + 1, "a record was added without proof");
  return { intact: true, records: end, head };
}

function broken(seq: number, reason: string): Verdict {
  return { intact: false, seq, reason };
}

/** Every token and every change was written together with a record. */
function hasHistory(store: Recorded): boolean {
  return store.audit.last(1).length > 0 || store.changes.revision() > 0 || store.tokens.list().length > 0;
}
