import { type Session, type SessionRecord, sessionOf } from "../../../domain/credential/session.ts";
import { isRoleName } from "../../../domain/role/role.ts";
import { GatewayError } from "../../../errors.ts";
import type { DueSession, SessionTable } from "../../store.ts";
import type { Cell, Connection } from "../engine/connection.ts";
import type { Access } from "../engine/turns.ts";

interface SessionRow extends Omit<SessionRecord, "role" | "sandboxes" | "operations" | "secure"> {
  readonly role: string;
  /** JSON arrays. */
  readonly sandboxes: string | null;
  readonly operations: string | null;
  readonly secure: number;
}

const SESSION =
  "id, hash, subject, role, sandboxes, operations, granted_by AS grantedBy, key_id AS keyId, issued_at AS issuedAt, " +
  "created_at AS createdAt, expires_at AS expiresAt, last_used_at AS lastUsedAt, secure";

/** What it was exchanged for has been taken back, in one of the ways in which that can be. */
const REVOKED =
  "EXISTS (SELECT 1 FROM tokens WHERE tokens.id = granted_by AND tokens.revoked_at IS NOT NULL) " +
  "OR EXISTS (SELECT 1 FROM revoked_ids WHERE revoked_ids.id = granted_by) " +
  "OR EXISTS (SELECT 1 FROM revoked_subjects AS r WHERE r.subject = sessions.subject AND sessions.issued_at < r.issued_before) " +
  "OR EXISTS (SELECT 1 FROM signing_keys AS k WHERE k.id = sessions.key_id AND k.retired_at IS NOT NULL)";

const dueWhere = (condition: string): string =>
  `SELECT ${SESSION}, CASE WHEN expires_at <= now THEN 'expired' WHEN last_used_at <= unused THEN 'idle' ELSE 'revoked' END ` +
  `AS reason FROM sessions, (SELECT ? AS now, ? AS unused) WHERE ${condition} LIMIT ?`;

/** The statements are prepared once; a table is one caller's view of them. `open` is for snapshots. */
export function prepareSessions(connection: Connection): {
  readonly table: (access: Access) => SessionTable;
  /** Those that are good after `expiredBy`. */
  readonly open: (expiredBy: number) => Session[];
} {
  const find = connection.prepare<[id: string], SessionRow>(`SELECT ${SESSION} FROM sessions WHERE id = ?`);
  const list = connection.prepare<[], SessionRow>(
    `SELECT ${SESSION} FROM sessions ORDER BY created_at DESC, rowid DESC`,
  );
  const listOf = connection.prepare<[subject: string], SessionRow>(
    `SELECT ${SESSION} FROM sessions WHERE subject = ? ORDER BY created_at DESC, rowid DESC`,
  );
  const prepareDue = (condition: string) =>
    connection.prepare<[now: number, unused: number, most: number], SessionRow & Pick<DueSession, "reason">>(
      dueWhere(condition),
    );
  const due = prepareDue("expires_at <= now OR last_used_at <= unused");
  const dueOrRevoked = prepareDue(`expires_at <= now OR last_used_at <= unused OR ${REVOKED}`);
  const create = connection.prepare<Cell[]>(
    "INSERT INTO sessions (id, hash, subject, role, sandboxes, operations, granted_by, key_id, issued_at, created_at, " +
      "expires_at, last_used_at, secure) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const remove = connection.prepare<[id: string]>("DELETE FROM sessions WHERE id = ?");
  return {
    table: (access) => ({
      find: (id) =>
        access(() => {
          const row = find.get(id);
          return row && recordFrom(row);
        }),
      list: () => access(() => list.all().map(recordFrom)),
      listOf: (subject) => access(() => listOf.all(subject).map(recordFrom)),
      due: ({ now, unusedSince, revoked }, most) =>
        access(() => {
          const found = (revoked ? dueOrRevoked : due).all(now, unusedSince, most);
          return found.map(({ reason, ...row }) => ({ session: recordFrom(row), reason }));
        }),
      create: (session) => access(() => void create.run(...cellsOf(session))),
      remove: (id) => access(() => remove.run(id).changes > 0),
    }),
    open: (expiredBy) =>
      list
        .all()
        .filter(({ expiresAt }) => expiresAt > expiredBy)
        .map(recordFrom)
        .map(sessionOf),
  };
}

function cellsOf(session: SessionRecord): Cell[] {
  const { id, hash, subject, role, grantedBy, keyId, issuedAt, createdAt, expiresAt, lastUsedAt, secure } = session;
  const sandboxes = session.sandboxes && JSON.stringify(session.sandboxes);
  const operations = session.operations && JSON.stringify(session.operations);
  const own = [id, hash, subject, role, sandboxes, operations, grantedBy, keyId, issuedAt];
  return [...own, createdAt, expiresAt, lastUsedAt, Number(secure)];
}

function recordFrom(row: SessionRow): SessionRecord {
  const { role } = row;
  if (!isRoleName(role)) throw new GatewayError("GW_005", { details: `session ${row.id} has no valid role` });
  const narrowed = { sandboxes: textsFrom(row, row.sandboxes), operations: textsFrom(row, row.operations) };
  return { ...row, role, ...narrowed, secure: row.secure === 1 };
}

function textsFrom({ id }: SessionRow, json: string | null): string[] | null {
  if (json === null) return null;
  try {
    const value: unknown = JSON.parse(json);
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  } catch {
    // Reported below, like any other value that was not written by us.
  }
  throw new GatewayError("GW_005", { details: `session ${id} cannot be read` });
}
