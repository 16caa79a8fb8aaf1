import type { AuditBlock, AuditHead, AuditIndex, AuditLink, AuditTable } from "../audit-log.ts";
import type { Connection, Query } from "./engine/connection.ts";

export class SqliteAudit implements AuditTable, AuditIndex {
  readonly #head: Query<[], AuditHead>;
  readonly #insert: Query<[seq: number, count: number, lines: string, hash: string]>;
  readonly #setHead: Query<[seq: number, hash: string, mac: string]>;
  readonly #anchor: Query<[], AuditHead>;
  readonly #setAnchor: Query<[seq: number, hash: string, mac: string]>;
  readonly #drop: Query<[seq: number]>;
  readonly #after: Query<[seq: number, limit: number], AuditLink>;
  readonly #last: Query<[count: number], AuditLink>;
  readonly #insertBlock: Query<
    [first: number, last: number, oldest: number, newest: number, terms: Buffer, mac: string]
  >;
  readonly #dropBlocks: Query<[seq: number]>;
  readonly #blocksFrom: Query<[last: number, first: number, limit: number], AuditBlock>;
  readonly #blocksTo: Query<[seq: number, limit: number], AuditBlock>;

  constructor(connection: Connection) {
    this.#head = connection.prepare("SELECT seq, hash, mac FROM audit_head");
    this.#insert = connection.prepare("INSERT INTO audit (seq, count, lines, hash) VALUES (?, ?, ?, ?)");
    this.#setHead = connection.prepare("REPLACE INTO audit_head (only, seq, hash, mac) VALUES (1, ?, ?, ?)");
    this.#anchor = connection.prepare("SELECT seq, hash, mac FROM audit_anchor");
    this.#setAnchor = connection.prepare("REPLACE INTO audit_anchor (only, seq, hash, mac) VALUES (1, ?, ?, ?)");
    this.#drop = connection.prepare("DELETE FROM audit WHERE seq <= ?");
    const columns = "SELECT seq, count, lines, hash FROM audit";
    this.#after = connection.prepare(`${columns} WHERE seq > ? ORDER BY seq LIMIT ?`);
    this.#last = connection.prepare(`${columns} WHERE seq > (SELECT max(seq) FROM audit) - ? ORDER BY seq`);
    this.#insertBlock = connection.prepare("INSERT OR IGNORE INTO audit_blocks VALUES (?, ?, ?, ?, ?, ?)");
    this.#dropBlocks = connection.prepare("DELETE FROM audit_blocks WHERE last <= ?");
    const blocks = "SELECT first, last, oldest, newest, terms, mac FROM audit_blocks";
    this.#blocksFrom = connection.prepare(`${blocks} WHERE last >= ? AND first >= ? ORDER BY last LIMIT ?`);
    this.#blocksTo = connection.prepare(`${blocks} WHERE last <= ? ORDER BY last DESC LIMIT ?`);
  }

  head(): AuditHead | undefined {
    return this.#head.get();
  }

  insert({ seq, count, lines, hash }: AuditLink): void {
    this.#insert.run(seq, count, lines, hash);
  }

  setHead({ seq, hash, mac }: AuditHead): void {
    this.#setHead.run(seq, hash, mac);
  }

  anchor(): AuditHead | undefined {
    return this.#anchor.get();
  }

  setAnchor({ seq, hash, mac }: AuditHead): void {
    this.#setAnchor.run(seq, hash, mac);
  }

  drop(seq: number): void {
    this.#drop.run(seq);
    this.#dropBlocks.run(seq);
  }

  after(seq: number, limit: number): AuditLink[] {
    return this.#after.all(seq, limit);
  }

  last(count: number): AuditLink[] {
    return this.#last.all(count);
  }

  insertBlock({ first, last, oldest, newest, terms, mac }: AuditBlock): void {
    this.#insertBlock.run(first, last, oldest, newest, terms, mac);
  }

  dropBlocks(): void {
    this.#dropBlocks.run(Number.MAX_SAFE_INTEGER);
  }

  blocksFrom(seq: number, limit: number): AuditBlock[] {
    return this.#blocksFrom.all(seq, seq, limit);
  }

  blocksTo(seq: number, limit: number): AuditBlock[] {
    return this.#blocksTo.all(seq, limit);
  }
}
