import { type ApiKey, apiKeyOf } from "../../../domain/credential/api-key.ts";
import { isRoleName } from "../../../domain/role/role.ts";
import type { TokenRecord } from "../../../domain/token.ts";
import { GatewayError } from "../../../errors.ts";
import type { TokenTable } from "../../store.ts";
import type { Cell, Connection } from "../engine/connection.ts";
import type { Access } from "../engine/turns.ts";

interface TokenRow extends Omit<TokenRecord, "role" | "sandboxes" | "operations"> {
  readonly role: string;
  /** JSON arrays. */
  readonly sandboxes: string | null;
  readonly operations: string | null;
}

const TOKEN =
  "id, subject, role, sandboxes, operations, created_at AS createdAt, expires_at AS expiresAt, " +
  "revoked_at AS revokedAt, hash, form, prefix, last_used_at AS lastUsedAt";

/** The statements are prepared once; a table is one caller's view of them. `revoked` and `apiKeys` are for snapshots. */
export function prepareTokens(connection: Connection): {
  readonly table: (access: Access) => TokenTable;
  /** Revoked tokens that expire after `expiredBy`. */
  readonly revoked: (expiredBy: number) => { tokenId: string; expiresAt: number }[];
  /** API keys that are good after `expiredBy`. */
  readonly apiKeys: (expiredBy: number) => ApiKey[];
} {
  const find = connection.prepare<[id: string], TokenRow>(`SELECT ${TOKEN} FROM tokens WHERE id = ?`);
  const findByHash = connection.prepare<[hash: string], TokenRow>(`SELECT ${TOKEN} FROM tokens WHERE hash = ?`);
  const list = connection.prepare<[], TokenRow>(`SELECT ${TOKEN} FROM tokens ORDER BY created_at DESC, rowid DESC`);
  const create = connection.prepare<Cell[]>(
    "INSERT INTO tokens (id, subject, role, sandboxes, operations, created_at, expires_at, revoked_at, hash, " +
      "form, prefix, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const revoke = connection.prepare<[at: number, id: string]>(
    "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
  );
  const revokeOf = connection.prepare<[at: number, subject: string, createdBefore: number], { expiresAt: number }>(
    "UPDATE tokens SET revoked_at = ? WHERE subject = ? AND created_at < ? AND revoked_at IS NULL " +
      "RETURNING expires_at AS expiresAt",
  );
  const revoked = connection.prepare<[expiredBy: number], { tokenId: string; expiresAt: number }>(
    "SELECT id AS tokenId, expires_at AS expiresAt FROM tokens WHERE revoked_at IS NOT NULL AND expires_at > ?",
  );
  const opaque = connection.prepare<[expiredBy: number], TokenRow>(
    `SELECT ${TOKEN} FROM tokens WHERE form = 'opaque' AND revoked_at IS NULL AND expires_at > ?`,
  );
  return {
    table: (access) => ({
      find: (id) => access(() => maybeRecordFrom(find.get(id))),
      findByHash: (hash) => access(() => maybeRecordFrom(findByHash.get(hash))),
      list: () => access(() => list.all().map(recordFrom)),
      create: (token) => access(() => void create.run(...cellsOf(token))),
      revoke: (id, at) => access(() => revoke.run(at, id).changes > 0),
      revokeOf: (subject, createdBefore, at) =>
        access(() => {
          const good = revokeOf.all(at, subject, createdBefore).filter(({ expiresAt }) => expiresAt > at);
          return good.length;
        }),
    }),
    revoked: (expiredBy) => revoked.all(expiredBy),
    apiKeys: (expiredBy) => opaque.all(expiredBy).map(recordFrom).map(apiKeyOf),
  };
}

function cellsOf(token: TokenRecord): Cell[] {
  const { id, subject, role, createdAt, expiresAt, revokedAt, hash, form, prefix, lastUsedAt } = token;
  const sandboxes = token.sandboxes && JSON.stringify(token.sandboxes);
  const operations = token.operations && JSON.stringify(token.operations);
  const own = [id, subject, role, sandboxes, operations, createdAt, expiresAt, revokedAt, hash];
  return [...own, form, prefix, lastUsedAt];
}

function maybeRecordFrom(row: TokenRow | undefined): TokenRecord | undefined {
  return row && recordFrom(row);
}

function recordFrom(row: TokenRow): TokenRecord {
  const { role } = row;
  if (!isRoleName(role)) throw new GatewayError("GW_005", { details: `token ${row.id} has no valid role` });
  return { ...row, role, sandboxes: textsFrom(row, row.sandboxes), operations: textsFrom(row, row.operations) };
}

function textsFrom(row: TokenRow, json: string | null): string[] | null {
  if (json === null) return null;
  try {
    const value: unknown = JSON.parse(json);
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  } catch {
    // Reported below, like any other value that was not written by us.
  }
  throw new GatewayError("GW_005", { details: `token ${row.id} cannot be read` });
}
