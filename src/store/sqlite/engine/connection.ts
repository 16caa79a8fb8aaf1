import Database from "better-sqlite3";
import { GatewayError, hasCode } from "../../../errors.ts";
import { sqliteBinding } from "../../../executable.ts";

/** What SQLite stores in a cell, as better-sqlite3 gives and takes it. */
export type Cell = string | number | Buffer | null;

export interface ConnectionOptions {
  readonly readonly?: boolean;
  /** Milliseconds to wait for another connection's lock. */
  readonly busyTimeout: number;
}

/** One open SQLite file. Every error it throws is a GatewayError, except those that only a bug can cause. */
export class Connection {
  /** Milliseconds it waits for another connection's lock, or whoever uses it does: see `stopWaiting`. */
  readonly busyTimeout: number;
  readonly #file: string;
  readonly #database: Database.Database;
  readonly #begin: Query;
  readonly #beginImmediate: Query;
  readonly #commit: Query;
  readonly #rollback: Query;

  /** @throws GatewayError GW_008 when the file cannot be opened, GW_005 when it is not a database. */
  constructor(file: string, { readonly = false, busyTimeout }: ConnectionOptions) {
    this.busyTimeout = busyTimeout;
    this.#file = file;
    const options: Database.Options = { readonly, timeout: busyTimeout, fileMustExist: true };
    const binding = sqliteBinding();
    // Assigned, because the type package does not know yet that a loaded addon is taken as well as its path.
    if (binding !== undefined) Object.assign(options, { nativeBinding: binding });
    this.#database = translating(file, () => new Database(file, options));
    this.#begin = this.prepare("BEGIN");
    this.#beginImmediate = this.prepare("BEGIN IMMEDIATE");
    this.#commit = this.prepare("COMMIT");
    this.#rollback = this.prepare("ROLLBACK");
  }

  prepare<Parameters extends Cell[] = [], Row = unknown>(sql: string): Query<Parameters, Row> {
    return new Query(
      this.#file,
      translating(this.#file, () => this.#database.prepare<Cell[], Row>(sql)),
    );
  }

  /** A query whose rows have one column: `get` and `all` return the bare value. */
  preparePlucked<Parameters extends Cell[] = [], Value = unknown>(sql: string): Query<Parameters, Value> {
    return new Query(
      this.#file,
      translating(this.#file, () => this.#database.prepare<Cell[], Value>(sql).pluck()),
    );
  }

  /** Several statements at once. */
  execute(sql: string): void {
    translating(this.#file, () => this.#database.exec(sql));
  }

  pragma(name: string): unknown {
    return translating(this.#file, () => this.#database.pragma(name, { simple: true }));
  }

  /** Begins a write transaction: what is read in it cannot change before the commit. */
  begin(): void {
    this.#beginImmediate.run();
  }

  /** False also when SQLite has undone a transaction by itself. */
  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  commit(): void {
    this.#commit.run();
  }

  /** Undoes what is not committed. A full disk or an I/O error makes SQLite do it by itself: then there is nothing to do. */
  rollback(): void {
    if (this.#database.inTransaction) this.#rollback.run();
  }

  /** Runs `work` in one write transaction. */
  write<T>(work: () => T): T {
    return this.#transact(this.#beginImmediate, work);
  }

  /** The same; false when another connection has the lock, and then nothing was done. */
  tryWrite(work: () => void): boolean {
    try {
      this.begin();
    } catch (error) {
      if (isLocked(error)) return false;
      throw error;
    }
    this.#finish(work);
    return true;
  }

  /** Runs `work` in one consistent view; inside a write transaction, in that one's. */
  read<T>(work: () => T): T {
    return this.#database.inTransaction ? work() : this.#transact(this.#begin, work);
  }

  /**
   * From now on another connection's lock is an error at once: the thread has other things to do than to wait for it. Once
   * for all, because a statement that asks for it costs a quarter of a commit.
   */
  stopWaiting(): void {
    this.pragma("busy_timeout = 0");
  }

  close(): void {
    this.#database.close();
  }

  #transact<T>(begin: Query, work: () => T): T {
    begin.run();
    return this.#finish(work);
  }

  /** Ends the transaction that has been begun. */
  #finish<T>(work: () => T): T {
    try {
      const result = work();
      this.commit();
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }
}

/** A prepared statement. */
export class Query<Parameters extends Cell[] = [], Row = unknown> {
  readonly #file: string;
  readonly #statement: Database.Statement<Cell[], Row>;

  constructor(file: string, statement: Database.Statement<Cell[], Row>) {
    this.#file = file;
    this.#statement = statement;
  }

  /** Returns how many rows changed and the last row id. */
  run(...parameters: Parameters): Database.RunResult {
    try {
      return this.#statement.run(...parameters);
    } catch (error) {
      throw translated(this.#file, error);
    }
  }

  get(...parameters: Parameters): Row | undefined {
    try {
      return this.#statement.get(...parameters);
    } catch (error) {
      throw translated(this.#file, error);
    }
  }

  all(...parameters: Parameters): Row[] {
    try {
      return this.#statement.all(...parameters);
    } catch (error) {
      throw translated(this.#file, error);
    }
  }
}

/** True when another connection has the lock; nothing was done. */
export function isLocked(error: unknown): boolean {
  return error instanceof GatewayError && hasCode(error.cause, "SQLITE_BUSY");
}

function translating<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translated(file, error);
  }
}

/** `remedy`: where it is another than GW_008's own, which speaks of owner and permissions. */
const UNUSABLE: readonly (readonly [prefix: string, reason: string, remedy?: string])[] = [
  ["SQLITE_FULL", "the disk is full", "Free space on the disk, then repeat"],
  ["SQLITE_READONLY", "the file or its file system is read-only"],
  ["SQLITE_CANTOPEN", "the file cannot be opened"],
  ["SQLITE_PERM", "access is denied"],
  ["SQLITE_IOERR", "the disk reports an error", "Look at the system's log: the disk or its file system fails"],
  ["SQLITE_BUSY", "another process keeps it locked", "Repeat; if it stays so, end the process that keeps it locked"],
];

/** What SQLite's result code means for the gateway. A broken constraint is a bug of ours and stays what it is. */
function translated(file: string, error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const { code } = error;
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") {
    return new GatewayError("GW_005", { details: `${file}: ${error.message}`, cause: error });
  }
  const known = UNUSABLE.find(([prefix]) => code.startsWith(prefix));
  if (known === undefined) return error;
  const [, reason, remediation] = known;
  const details = `${file}: ${reason} (${code})`;
  return new GatewayError("GW_008", { details, ...(remediation !== undefined && { remediation }), cause: error });
}
