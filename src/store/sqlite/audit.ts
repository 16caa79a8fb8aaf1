import type { AuditHead, AuditRow, AuditTable } from "../store.ts";
import type { Cell, Connection, Query } from "./connection.ts";

/** Rows per statement when there are enough: half the time of as many single ones (1.3 against 2.7 µs a row). */
const MANY = 10;

export class SqliteAudit implements AuditTable {
  readonly #head: Query<[], AuditHead>;
  readonly #insert: Query<Cell[]>;
  readonly #insertMany: Query<Cell[]>;
  readonly #setHead: Query<[seq: number, hash: string, mac: string]>;
  readonly #after: Query<[seq: number, limit: number], AuditRow>;
  readonly #last: Query<[count: number], AuditRow>;

  constructor(connection: Connection) {
    this.#head = connection.prepare("SELECT seq, hash, mac FROM audit_head");
    this.#insert = connection.prepare("INSERT INTO audit (seq, record, hash) VALUES (?, ?, ?)");
    const values = Array.from({ length: MANY }, () => "(?, ?, ?)").join(", ");
    this.#insertMany = connection.prepare(`INSERT INTO audit (seq, record, hash) VALUES ${values}`);
    this.#setHead = connection.prepare("REPLACE INTO audit_head (only, seq, hash, mac) VALUES (1, ?, ?, ?)");
    this.#after = connection.prepare("SELECT seq, record, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?");
    this.#last = connection.prepare("SELECT seq, record, hash FROM audit ORDER BY seq DESC LIMIT ?");
  }

  head(): AuditHead | undefined {
    return this.#head.get();
  }

  insert(rows: readonly AuditRow[]): void {
    let at = 0;
    for (; at + MANY <= rows.length; at += MANY) this.#insertMany.run(...cellsOf(rows.slice(at, at + MANY)));
    for (const row of rows.slice(at)) this.#insert.run(...cellsOf([row]));
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

function cellsOf(rows: readonly AuditRow[]): Cell[] {
  const cells: Cell[] = [];
  for (const { seq, record, hash } of rows) cells.push(seq, record, hash);
  return cells;
}
