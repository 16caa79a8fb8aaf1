import type { AuditHead, AuditLink, AuditTable } from "../audit-log.ts";
import type { Connection, Query } from "./engine/connection.ts";

export class SqliteAudit implements AuditTable {
  readonly #head: Query<[], AuditHead>;
  readonly #insert: Query<[seq: number, count: number, lines: string, hash: string]>;
  readonly #setHead: Query<[seq: number, hash: string, mac: string]>;
  readonly #anchor: Query<[], AuditHead>;
  readonly #setAnchor: Query<[seq: number, hash: string, mac: string]>;
  readonly #drop: Query<[seq: number]>;
  readonly #after: Query<[seq: number, limit: number], AuditLink>;
  readonly #last: Query<[count: number], AuditLink>;

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
  }

  after(seq: number, limit: number): AuditLink[] {
    return this.#after.all(seq, limit);
  }

  last(count: number): AuditLink[] {
    return this.#last.all(count);
  }
}
