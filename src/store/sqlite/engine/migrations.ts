import { GatewayError } from "../../../errors.ts";
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
  `
  CREATE TABLE audit_anchor (
    only       INTEGER PRIMARY KEY CHECK (only = 1),
    seq        INTEGER NOT NULL,
    hash       TEXT NOT NULL,
    mac        TEXT NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE sandboxes ADD COLUMN labels   TEXT NOT NULL DEFAULT '{}'; -- JSON
  ALTER TABLE sandboxes ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'; -- JSON: only what is set, as the program has it
  ALTER TABLE instances ADD COLUMN weight   INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE instances ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE instances ADD COLUMN tripped  INTEGER NOT NULL DEFAULT 0; -- its circuit was opened by hand
  `,
  `
  CREATE TABLE audit_blocks (
    first      INTEGER NOT NULL,
    last       INTEGER PRIMARY KEY,
    oldest     INTEGER NOT NULL,
    newest     INTEGER NOT NULL,
    terms      BLOB NOT NULL,
    mac        TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE routes (
    id           TEXT PRIMARY KEY NOT NULL,
    host         TEXT,             -- NULL = any
    path         TEXT NOT NULL,
    methods      TEXT,             -- JSON; NULL = all
    strip_prefix INTEGER NOT NULL,
    sandbox_id   TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    settings     TEXT NOT NULL,    -- JSON
    created_at   INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX routes_place ON routes (path, host);
  CREATE INDEX routes_sandbox ON routes (sandbox_id);
  `,
  `
  ALTER TABLE tokens ADD COLUMN form TEXT NOT NULL DEFAULT 'signed' CHECK (form IN ('signed', 'opaque'));
  ALTER TABLE tokens ADD COLUMN prefix TEXT;
  ALTER TABLE tokens ADD COLUMN last_used_at INTEGER;
  CREATE INDEX tokens_opaque ON tokens (expires_at) WHERE form = 'opaque' AND revoked_at IS NULL;

  -- Of what was made elsewhere, or by whoever it was: tokens of ours carry their own revocation.
  CREATE TABLE revoked_ids (
    id         TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE revoked_subjects (
    subject       TEXT PRIMARY KEY,
    issued_before INTEGER NOT NULL,
    revoked_at    INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    algorithm  TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    retires_at INTEGER,
    retired_at INTEGER,
    public_jwk TEXT,
    sealed     TEXT
  ) STRICT;
  `,
  `
  CREATE TABLE link_keys (
    id         TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
  ) STRICT;
  -- New links are proven by the one that is not retired.
  CREATE UNIQUE INDEX link_keys_current ON link_keys (retired_at IS NULL) WHERE retired_at IS NULL;
  CREATE TABLE links (
    id         TEXT PRIMARY KEY,
    key_id     TEXT NOT NULL REFERENCES link_keys (id),
    subject    TEXT NOT NULL,
    sandbox_id TEXT NOT NULL,
    port       INTEGER,
    methods    TEXT,
    path       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
  ) STRICT;
  CREATE INDEX links_key ON links (key_id);
  `,
  `
  CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    hash         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    role         TEXT NOT NULL,
    sandboxes    TEXT,             -- JSON; NULL = all
    operations   TEXT,             -- JSON; NULL = all
    granted_by   TEXT NOT NULL,
    key_id       TEXT,
    issued_at    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    secure       INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX sessions_subject ON sessions (subject);
  `,
  `
  CREATE INDEX sessions_end ON sessions (expires_at);
  CREATE INDEX sessions_use ON sessions (last_used_at);
  `,
  `
  CREATE TABLE roles (
    name   TEXT PRIMARY KEY,
    grants TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];

/**
 * Refuses a file that this version must not write. Reads only.
 * @throws GatewayError GW_006 when a newer version wrote it, GW_005 when another program did.
 */
export function checkVersion(connection: Connection, file: string, known: number = MIGRATIONS.length): void {
  const version = Number(connection.pragma("user_version"));
  if (version > known) {
    throw new GatewayError("GW_006", { details: `${file} has schema version ${version}, this program knows ${known}` });
  }
  const isEmpty = connection.preparePlucked("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  const isOurs = Number(connection.pragma("application_id")) === APPLICATION_ID;
  if (version === 0 ? !isEmpty : !isOurs) {
    throw new GatewayError("GW_005", { details: `${file} is a database of another program` });
  }
}

/**
 * Brings the schema up to date, each step in a transaction of its own. Safe when two processes do it at once.
 * Foreign keys are off meanwhile (SQLite lets nobody do that inside a transaction): a step may rebuild a table, and
 * dropping the old one would take with it whatever refers to its rows. Each step must leave every reference in order.
 * A new schema is on the disk when this returns: a power failure that leaves the folder's keys must not leave an empty file.
 * @throws GatewayError GW_005 when a step does not; then it is undone.
 */
export function migrate(connection: Connection, file: string, migrations: readonly string[] = MIGRATIONS): void {
  connection.pragma("foreign_keys = OFF");
  try {
    if (isUpToDate(connection, file, migrations)) return;
    while (!isUpToDate(connection, file, migrations));
    connection.pragma("wal_checkpoint(PASSIVE)");
  } finally {
    connection.pragma("foreign_keys = ON");
  }
}

/** Takes the next step. True when there was none to take. */
function isUpToDate(connection: Connection, file: string, migrations: readonly string[]): boolean {
  return connection.write(() => {
    checkVersion(connection, file, migrations.length);
    const version = Number(connection.pragma("user_version"));
    const next = migrations[version];
    if (next === undefined) return true;
    connection.execute(next);
    const dangling = connection.preparePlucked<[], string>('SELECT DISTINCT "table" FROM pragma_foreign_key_check');
    const tables = dangling.all();
    if (tables.length > 0) {
      const details = `${file}: schema version ${version + 1} would leave rows of ${tables.join(", ")} without their owners`;
      throw new GatewayError("GW_005", { details });
    }
    connection.pragma(`application_id = ${APPLICATION_ID}`);
    connection.pragma(`user_version = ${version + 1}`);
    return false;
  });
}
