import type { AuditHead, AuditRow, AuditTable } from "../store.ts";
import type { Connection, Query } from "./connection.ts";

export class SqliteAudit implements AuditTable {
  readonly #head: Query<[], AuditHead>;
  readonly #insert: Query<[seq: number, record: string, hash: string]>;
  readonly #setHead: Query<[seq: number, hash: string, mac: string]>;
  readonly #after: Query<[seq: number, limit: number], AuditRow>;
  readonly #last: Query<[count: number], AuditRow>;

  constructor(connection: Connection) {
    this.#head = connection.prepare("SELECT seq, hash, mac FROM audit_head");
    this.#insert = connection.prepare("INSERT INTO audit (seq, record, hash) VALUES (?, ?, ?)");
    this.#setHead = connection.prepare("REPLACE INTO audit_head (only, seq, hash, mac) VALUES (1, ?, ?, ?)");
    this.#after = connection.prepare("SELECT seq, record, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?");
    this.#last = connection.prepare("SELECT seq, record, hash FROM audit ORDER BY seq DESC LIMIT ?");
  }

  head(): AuditHead | undefined {
    return this.#head.get();
  }

  insert({ seq, record, hash }: AuditRow): void {
    this.#insert.run(seq, record, hash);
  }

  setHead({ seq, hash, mac }: AuditHead): void {
    this.#setHead.run(seq, hash, mac);
  }

  after(seq: number, limit: number): AuditRow[] {
    return this.#after.all(seq, limit);
  }

  last(count: number): AuditRow[] {
    return this.#last.all(count).toReversed();
  }
}
