import fs from "node:fs";
import { GatewayError } from "../../errors.ts";
import { privateFile } from "../data-folder.ts";
import { Connection } from "./engine/connection.ts";
import { checkVersion, migrate } from "./engine/migrations.ts";
import { SqliteStore } from "./sqlite-store.ts";

export interface SqliteOptions {
  /** What a committed write survives: the end of the process (default), or a power cut too (an fsync for each commit). */
  readonly durability?: "process" | "power";
  /** Milliseconds to wait while another process writes; then GW_008. */
  readonly busyTimeout?: number;
  /** A database has been there: do not make one in its place. */
  readonly mustExist?: boolean;
}

const BUSY_TIMEOUT = 5_000;

/**
 * Opens the database, making it when there is none. A file that is damaged, foreign or newer is left as it is.
 * @throws GatewayError GW_005 (damaged, or another program's), GW_006 (newer), GW_008 (cannot be opened or written),
 *   GW_015 (gone, or emptied).
 */
export function openSqliteStore(file: string, options: SqliteOptions = {}): SqliteStore {
  return new SqliteStore(openConnection(file, options));
}

/** The connection of a store, with the schema up to date. */
export function openConnection(
  file: string,
  { durability = "process", busyTimeout = BUSY_TIMEOUT, mustExist = false }: SqliteOptions = {},
): Connection {
  if (mustExist && !fs.existsSync(file)) throw gone(file, "is gone");
  privateFile(file);
  if (!inspect(file) && mustExist) throw gone(file, "is empty");
  const connection = new Connection(file, { busyTimeout });
  try {
    if (connection.pragma("journal_mode") !== "wal") connection.pragma("journal_mode = WAL");
    connection.pragma(`synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`);
    connection.pragma("trusted_schema = OFF");
    connection.pragma(`journal_size_limit = ${64 * 1024 * 1024}`);
    migrate(connection, file);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** A whole-file check takes about 1 ms a megabyte; above this size the audit table is left to `audit verify`. */
const WHOLE_CHECK_LIMIT = 16 * 1024 * 1024;

/**
 * Looks before anything is written, through a read-only connection: a writing one would move the log into the file
 * when it closes, and evidence of damage should stay as it was found. False when nothing was ever written.
 */
function inspect(file: string): boolean {
  const { size } = fs.statSync(file);
  if (size === 0) return false;
  const connection = new Connection(file, { readonly: true, busyTimeout: BUSY_TIMEOUT });
  try {
    checkVersion(connection, file);
    checkPages(connection, file, size);
    return Number(connection.pragma("user_version")) > 0;
  } finally {
    connection.close();
  }
}

function gone(file: string, how: string): GatewayError {
  return new GatewayError("GW_015", { details: `the database ${file} ${how}, but what belongs to it is there` });
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
