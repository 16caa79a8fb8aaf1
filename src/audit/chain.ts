import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from "node:crypto";
import type { AuditHead, AuditTable } from "../store/audit-log.ts";

/** What the first record is chained to. */
export const GENESIS = "0".repeat(64);

/** The hash of a link in its place: SHA-256 over the previous link's hash and this one's records, hex. */
export function linkHash(previous: string, lines: string): string {
  return hash("sha256", previous + lines);
}

/**
 * The append-only chain of audit records. Each link's hash covers the one before it, so a record cannot be changed,
 * dropped or moved without breaking all that follow; the head carries a keyed proof, so the end cannot be cut off
 * by somebody who holds the database but not the key.
 */
export class AuditChain {
  readonly #table: AuditTable;
  /** As an object: making one from bytes each time costs five times the HMAC (15 µs against 2.6). */
  readonly #key: KeyObject;

  constructor(options: { table: AuditTable; key: Buffer }) {
    this.#table = options.table;
    this.#key = createSecretKey(options.key);
  }

  /**
   * Appends a link of `count` records, a line each. Call inside a write transaction: another process may append too, so
   * the head is read here each time and never remembered.
   */
  append(lines: string, count: number): void {
    const head = this.#table.head();
    const seq = (head?.seq ?? 0) + count;
    const link = linkHash(head?.hash ?? GENESIS, lines);
    this.#table.insert({ seq, count, lines, hash: link });
    this.#table.setHead({ seq, hash: link, mac: this.#proof(seq, link) });
  }

  /** True when the head was written by somebody who holds the key. */
  isProven(head: AuditHead): boolean {
    const expected = Buffer.from(this.#proof(head.seq, head.hash), "hex");
    const given = Buffer.from(head.mac, "hex");
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  #proof(seq: number, link: string): string {
    return createHmac("sha256", this.#key).update(`${seq}:${link}`).digest("hex");
  }
}
