import fs from "node:fs";
import type { SnapshotData } from "../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../errors.ts";
import { privateFile } from "../data-folder.ts";
import type { Store } from "../store.ts";
import { SqliteAudit } from "./audit.ts";
import { SqliteChanges } from "./changes.ts";
import { Connection, type Query } from "./connection.ts";
import { SqliteKeys } from "./keys.ts";
import { checkVersion, migrate } from "./migrations.ts";
import { SqliteObserved } from "./observed.ts";
import { SqliteSandboxes } from "./sandboxes.ts";
import { SqliteTokens } from "./tokens.ts";

export interface SqliteOptions {
  /** What a committed write survives: the end of the process (default), or a power cut too (an fsync for each commit). */
  readonly durability?: "process" | "power";
}

const BUSY_TIMEOUT = 5_000;

/**
 * Opens the database, making it when there is none. A file that is damaged, foreign or newer is left as it is.
 * @throws GatewayError GW_005 (damaged, or another program's), GW_006 (newer), GW_008 (cannot be opened or written).
 */
export function openSqliteStore(file: string, options: SqliteOptions = {}): Store {
  return new SqliteStore(openConnection(file, options));
}

/** The connection of a store, with the schema up to date. */
export function openConnection(file: string, { durability = "process" }: SqliteOptions = {}): Connection {
  privateFile(file);
  inspect(file);
  const connection = new Connection(file, { busyTimeout: BUSY_TIMEOUT });
  try {
    if (connection.pragma("journal_mode") !== "wal") connection.pragma("journal_mode = WAL");
    connection.pragma(`synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`);
    connection.pragma("foreign_keys = ON");
    connection.pragma("trusted_schema = OFF");
    connection.pragma(`journal_size_limit = ${64 * 1024 * 1024}`);
    migrate(connection, file);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

class SqliteStore implements Store {
  readonly sandboxes: SqliteSandboxes;
  readonly tokens: SqliteTokens;
  readonly keys: SqliteKeys;
  readonly changes: SqliteChanges;
  readonly audit: SqliteAudit;
  readonly observed: SqliteObserved;
  readonly #connection: Connection;
  readonly #dataVersion: Query<[], number>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.sandboxes = new SqliteSandboxes(connection);
    this.tokens = new SqliteTokens(connection);
    this.keys = new SqliteKeys(connection);
    this.changes = new SqliteChanges(connection);
    this.audit = new SqliteAudit(connection);
    this.observed = new SqliteObserved(connection);
    this.#dataVersion = connection.preparePlucked("PRAGMA data_version");
  }

  transaction<T>(work: () => T): T {
    return this.#connection.write(work);
  }

  snapshot(now: number): SnapshotData {
    return this.#connection.read(() => ({
      revision: this.changes.revision(),
      sandboxes: this.sandboxes.list(),
      revoked: this.tokens.revoked(now),
    }));
  }

  dataVersion(): number {
    return this.#dataVersion.get() ?? 0;
  }

  close(): void {
    this.#connection.close();
  }
}

/** A whole-file check takes about 1 ms a megabyte; above this size the audit table is left to `audit verify`. */
const WHOLE_CHECK_LIMIT = 16 * 1024 * 1024;

/**
 * Looks before anything is written, through a read-only connection: a writing one would move the log into the file
 * when it closes, and evidence of damage should stay as it was found.
 */
function inspect(file: string): void {
  const { size } = fs.statSync(file);
  if (size === 0) return;
  const connection = new Connection(file, { readonly: true, busyTimeout: BUSY_TIMEOUT });
  try {
    checkVersion(connection, file);
    checkPages(connection, file, size);
  } finally {
    connection.close();
  }
}

function checkPages(connection: Connection, file: string, size: number): void {
  const tables = connection.preparePlucked<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const checks =
    size <= WHOLE_CHECK_LIMIT ? ["1"] : tables.filter((name) => name !== "audit").map((name) => `"${name}"`);
  for (const scope of checks) {
    const finding = connection.pragma(`quick_check(${scope})`);
    if (finding !== "ok") throw new GatewayError("GW_005", { details: `${file}: ${String(finding)}` });
  }
}
