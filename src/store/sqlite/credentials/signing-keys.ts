import { SIGNING_ALGORITHMS, type SigningKey, verifyingPart } from "../../../domain/credential/signing-key.ts";
import { GatewayError } from "../../../errors.ts";
import type { FirstSigningKey, SigningKeyTable } from "../../store.ts";
import type { Cell, Connection } from "../engine/connection.ts";
import type { Access } from "../engine/turns.ts";

interface SigningKeyRow extends Omit<SigningKey, "algorithm" | "publicJwk"> {
  readonly algorithm: string;
  /** JSON. */
  readonly publicJwk: string | null;
}

const KEY =
  "id, algorithm, created_at AS createdAt, retires_at AS retiresAt, retired_at AS retiredAt, " +
  "public_jwk AS publicJwk, sealed";
const COLUMNS = "(id, algorithm, created_at, retires_at, retired_at, public_jwk, sealed)";

/** The statements are prepared once; a table is one caller's view of them. `verifying` is for snapshots. */
export function prepareSigningKeys(connection: Connection): {
  readonly table: (access: Access) => SigningKeyTable;
  readonly first: (access: Access) => FirstSigningKey;
  readonly verifying: () => SigningKey[];
} {
  const find = connection.prepare<[id: string], SigningKeyRow>(`SELECT ${KEY} FROM signing_keys WHERE id = ?`);
  const list = connection.prepare<[], SigningKeyRow>(`SELECT ${KEY} FROM signing_keys ORDER BY rowid DESC`);
  const create = connection.prepare<Cell[]>(`INSERT INTO signing_keys ${COLUMNS} VALUES (?, ?, ?, ?, ?, ?, ?)`);
  const createFirst = connection.prepare<Cell[]>(
    `INSERT INTO signing_keys ${COLUMNS} SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM signing_keys)`,
  );
  const forgetOld = connection.prepare("DELETE FROM keys WHERE name = 'token-signing'");
  const update = connection.prepare<Cell[]>(
    "UPDATE signing_keys SET retires_at = ?, retired_at = ?, sealed = ? WHERE id = ?",
  );
  return {
    table: (access) => ({
      find: (id) =>
        access(() => {
          const row = find.get(id);
          return row && keyFrom(row);
        }),
      list: () => access(() => list.all().map(keyFrom)),
      create: (key) => access(() => void create.run(...cellsOf(key))),
      update: ({ id, retiresAt, retiredAt, sealed }) =>
        access(() => update.run(retiresAt, retiredAt, sealed, id).changes > 0),
    }),
    first: (access) => ({
      createFirst: (key) =>
        access(() =>
          connection.write(() => {
            createFirst.run(...cellsOf(key));
            forgetOld.run();
          }),
        ),
    }),
    verifying: () => list.all().map(keyFrom).map(verifyingPart),
  };
}

function cellsOf({ id, algorithm, createdAt, retiresAt, retiredAt, publicJwk, sealed }: SigningKey): Cell[] {
  return [id, algorithm, createdAt, retiresAt, retiredAt, publicJwk && JSON.stringify(publicJwk), sealed];
}

function keyFrom(row: SigningKeyRow): SigningKey {
  const algorithm = SIGNING_ALGORITHMS.find((name) => name === row.algorithm);
  if (algorithm === undefined) throw unreadable(row);
  return { ...row, algorithm, publicJwk: jwkFrom(row) };
}

function jwkFrom(row: SigningKeyRow): SigningKey["publicJwk"] {
  if (row.publicJwk === null) return null;
  try {
    const value: unknown = JSON.parse(row.publicJwk);
    if (isTexts(value)) return value;
  } catch {
    // Reported below, like any other value that was not written by us.
  }
  throw unreadable(row);
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === "object" && value !== null && Object.values(value).every((member) => typeof member === "string")
  );
}

function unreadable(row: SigningKeyRow): GatewayError {
  return new GatewayError("GW_005", { details: `signing key ${row.id} cannot be read` });
}
