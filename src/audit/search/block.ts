import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import type { AuditBlock } from "../../store/audit-log.ts";
import type { AuditEntry } from "../entries.ts";
import { recordOf, termsOf, timeOf } from "./filter.ts";

/**
 * A Bloom filter's numbers: with ten bits a term and seven hashes it says "perhaps" of one in 120 terms that it has not seen
 * (Bloom 1970: 0.6185 ^ bits).
 */
const BITS_PER_TERM = 10;
const HASHES = 7;

/** What some records in a row can be found by, and a keyed proof that it was this gateway that said so. */
export function blockOf(entries: readonly AuditEntry[], key: KeyObject): AuditBlock {
  const terms = new Set<string>();
  let [oldest, newest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { record: text } of entries) {
    const record = recordOf(text) ?? {};
    const at = timeOf(record);
    if (at !== undefined) [oldest, newest] = [Math.min(oldest, at), Math.max(newest, at)];
    for (const term of termsOf(record)) terms.add(term);
  }
  // Of records that say no time none is found by it.
  if (oldest > newest) [oldest, newest] = [0, 0];
  const bits = Buffer.alloc(Math.ceil(((terms.size + 1) * BITS_PER_TERM) / 8));
  for (const term of terms) add(bits, term);
  const block = { first: entries[0]?.seq ?? 0, last: entries.at(-1)?.seq ?? 0, oldest, newest, terms: bits };
  return { ...block, mac: proofOf(block, key) };
}

/** True when the block was written by somebody who holds the key. */
export function isProven(block: AuditBlock, key: KeyObject): boolean {
  const [given, own] = [Buffer.from(block.mac, "hex"), Buffer.from(proofOf(block, key), "hex")];
  return given.length === own.length && timingSafeEqual(given, own);
}

/** False only when no record of the block has all of the terms. */
export function mayHold({ terms: bits }: AuditBlock, terms: readonly string[]): boolean {
  return terms.every((term) => has(bits, term));
}

function proofOf({ first, last, oldest, newest, terms }: Omit<AuditBlock, "mac">, key: KeyObject): string {
  return createHmac("sha256", key).update(`block ${first} ${last} ${oldest} ${newest} `).update(terms).digest("hex");
}

// From two hashes as many as are wanted (Kirsch and Mitzenmacher, "Less hashing, same performance", 2006).

function add(bits: Buffer, term: string): void {
  const [size, step] = [bits.length * 8, fnv(term, OTHER_BASIS) | 1];
  for (let hash = fnv(term, BASIS), left = HASHES; left > 0; left -= 1, hash = (hash + step) >>> 0) {
    const place = hash % size;
    bits[place >> 3] = (bits[place >> 3] as number) | (1 << (place & 7));
  }
}

function has(bits: Buffer, term: string): boolean {
  const [size, step] = [bits.length * 8, fnv(term, OTHER_BASIS) | 1];
  for (let hash = fnv(term, BASIS), left = HASHES; left > 0; left -= 1, hash = (hash + step) >>> 0) {
    const place = hash % size;
    if (((bits[place >> 3] as number) & (1 << (place & 7))) === 0) return false;
  }
  return true;
}

const BASIS = 0x811c9dc5;
const OTHER_BASIS = 0x2f0b4c47;

/** FNV-1a, 32 bits: SHA-256 takes twenty times as long. Whoever makes terms meet makes a search read more, and hides nothing. */
function fnv(text: string, basis: number): number {
  let hash = basis;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
