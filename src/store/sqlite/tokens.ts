import { isRole } from "../../domain/role.ts";
import type { TokenRecord } from "../../domain/token.ts";
import { GatewayError } from "../../errors.ts";
import type { TokenTable } from "../store.ts";
import type { Cell, Connection, Query } from "./connection.ts";

interface TokenRow extends Omit<TokenRecord, "role" | "sandboxes" | "operations"> {
  readonly role: string;
  /** JSON arrays. */
  readonly sandboxes: string | null;
  readonly operations: string | null;
}

const TOKEN =
  "id, subject, role, sandboxes, operations, created_at AS createdAt, expires_at AS expiresAt, " +
  "revoked_at AS revokedAt, hash";

export class SqliteTokens implements TokenTable {
  readonly #find: Query<[id: string], TokenRow>;
  readonly #findByHash: Query<[hash: string], TokenRow>;
  readonly #list: Query<[], TokenRow>;
  readonly #create: Query<Cell[]>;
  readonly #revoke: Query<[at: number, id: string]>;
  readonly #revoked: Query<[now: number], { tokenId: string; expiresAt: number }>;

  constructor(connection: Connection) {
    this.#find = connection.prepare(`SELECT ${TOKEN} FROM tokens WHERE id = ?`);
    this.#findByHash = connection.prepare(`SELECT ${TOKEN} FROM tokens WHERE hash = ?`);
    this.#list = connection.prepare(`SELECT ${TOKEN} FROM tokens ORDER BY created_at DESC, rowid DESC`);
    this.#create = connection.prepare(
      "INSERT INTO tokens (id, subject, role, sandboxes, operations, created_at, expires_at, revoked_at, hash) " +
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#revoke = connection.prepare("UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL");
    this.#revoked = connection.prepare(
      "SELECT id AS tokenId, expires_at AS expiresAt FROM tokens WHERE revoked_at IS NOT NULL AND expires_at > ?",
    );
  }

  find(id: string): TokenRecord | undefined {
    const row = this.#find.get(id);
    return row && recordFrom(row);
  }

  findByHash(hash: string): TokenRecord | undefined {
    const row = this.#findByHash.get(hash);
    return row && recordFrom(row);
  }

  list(): TokenRecord[] {
    return this.#list.all().map(recordFrom);
  }

  create(token: TokenRecord): void {
    const { id, subject, role, createdAt, expiresAt, revokedAt, hash } = token;
    const sandboxes = token.sandboxes && JSON.stringify(token.sandboxes);
    const operations = token.operations && JSON.stringify(token.operations);
    this.#create.run(id, subject, role, sandboxes, operations, createdAt, expiresAt, revokedAt, hash);
  }

  revoke(id: string, at: number): boolean {
    return this.#revoke.run(at, id).changes > 0;
  }

  /** Revoked tokens that have not expired at `now`. */
  revoked(now: number): { tokenId: string; expiresAt: number }[] {
    return this.#revoked.all(now);
  }
}

function recordFrom(row: TokenRow): TokenRecord {
  const { role } = row;
  if (!isRole(role)) throw new GatewayError("GW_005", { details: `token ${row.id} has no valid role` });
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
