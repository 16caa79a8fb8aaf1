import { GatewayError } from "../../errors.ts";
import type { Connection } from "./connection.ts";

/** Marks a file as ours ("SBGW"), so that another program's database is never migrated. */
export const APPLICATION_ID = 0x53424757;

/**
 * The schema's history, oldest first; `user_version` counts how many of them a file has seen.
 * Never edit one that was released: append.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE sandboxes (
    id         TEXT PRIMARY KEY NOT NULL,
    runtime    TEXT NOT NULL,
    driver     TEXT NOT NULL,
    strategy   TEXT,
    created_at INTEGER NOT NULL
  ) STRICT;

  -- AUTOINCREMENT: a number names a place in shared memory and is never given to a second instance.
  CREATE TABLE instances (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    url        TEXT NOT NULL,
    UNIQUE (sandbox_id, url)
  ) STRICT;

  CREATE TABLE tokens (
    id         TEXT PRIMARY KEY NOT NULL,
    subject    TEXT NOT NULL,
    role       TEXT NOT NULL,
    sandboxes  TEXT,
    operations TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    hash       TEXT NOT NULL UNIQUE
  ) STRICT;
  CREATE INDEX tokens_revoked ON tokens (expires_at) WHERE revoked_at IS NOT NULL;

  CREATE TABLE keys (
    name       TEXT PRIMARY KEY NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE changes (
    revision   INTEGER PRIMARY KEY,
    change     TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE audit (
    seq        INTEGER PRIMARY KEY,
    count      INTEGER NOT NULL,
    lines      TEXT NOT NULL,
    hash       TEXT NOT NULL
  ) STRICT;

  CREATE TABLE audit_head (
    only       INTEGER PRIMARY KEY CHECK (only = 1),
    seq        INTEGER NOT NULL,
    hash       TEXT NOT NULL,
    mac        TEXT NOT NULL
  ) STRICT;

  CREATE TABLE observed (
    name       TEXT PRIMARY KEY NOT NULL,
    json       TEXT NOT NULL,
    at         INTEGER NOT NULL
  ) STRICT;
  `,
];

/**
 * Refuses a file that this version must not write. Reads only.
 * @throws GatewayError GW_006 when a newer version wrote it, GW_005 when another program did.
 */
export function checkVersion(connection: Connection, file: string): void {
  const version = Number(connection.pragma("user_version"));
  if (version > MIGRATIONS.length) {
    const details = `${file} has schema version ${version}, this program knows ${MIGRATIONS.length}`;
    throw new GatewayError("GW_006", { details });
  }
  const isEmpty = connection.preparePlucked("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  const isOurs = Number(connection.pragma("application_id")) === APPLICATION_ID;
  if (version === 0 ? !isEmpty : !isOurs) {
    throw new GatewayError("GW_005", { details: `${file} is a database of another program` });
  }
}

/** Brings the schema up to date, each step in a transaction of its own. Safe when two processes do it at once. */
export function migrate(connection: Connection, file: string): void {
  let done = false;
  while (!done) {
    done = connection.write(() => {
      checkVersion(connection, file);
      const version = Number(connection.pragma("user_version"));
      const next = MIGRATIONS[version];
      if (next === undefined) return true;
      connection.execute(next);
      connection.pragma(`application_id = ${APPLICATION_ID}`);
      connection.pragma(`user_version = ${version + 1}`);
      return false;
    });
  }
}
