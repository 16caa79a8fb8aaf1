import type { LinkRecord, RetiredLinkKey } from "../../../domain/credential/link.ts";
import type { RevocationRow } from "../../../domain/token.ts";
import type { LinkTable } from "../../store.ts";
import type { Cell, Connection } from "../engine/connection.ts";
import type { Access } from "../engine/turns.ts";

interface LinkRow extends Omit<LinkRecord, "methods"> {
  /** `GET,POST` */
  readonly methods: string | null;
}

const LINK =
  "links.id, key_id AS keyId, subject, sandbox_id AS sandboxId, port, methods, path, links.created_at AS createdAt, " +
  "expires_at AS expiresAt, coalesce(links.revoked_at, link_keys.retired_at) AS revokedAt";
const FROM = "FROM links JOIN link_keys ON link_keys.id = links.key_id";

/** The statements are prepared once; a table is one caller's view of them. The other two are for snapshots. */
export function prepareLinks(connection: Connection): {
  readonly table: (access: Access) => LinkTable;
  /** Revoked links that would be good after `expiredBy`. */
  readonly revoked: (expiredBy: number) => RevocationRow[];
  readonly retiredKeys: () => RetiredLinkKey[];
} {
  const find = connection.prepare<[id: string], LinkRow>(`SELECT ${LINK} ${FROM} WHERE links.id = ?`);
  const list = connection.prepare<[], LinkRow>(
    `SELECT ${LINK} ${FROM} ORDER BY links.created_at DESC, links.rowid DESC`,
  );
  const currentKey = connection.preparePlucked<[], string>("SELECT id FROM link_keys WHERE retired_at IS NULL");
  const createKey = connection.prepare<[id: string, at: number]>(
    "INSERT INTO link_keys (id, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
  );
  const create = connection.prepare<Cell[]>(
    "INSERT INTO links (id, key_id, subject, sandbox_id, port, methods, path, created_at, expires_at) " +
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const revoke = connection.prepare<[at: number, id: string]>(
    "UPDATE links SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
  );
  const retire = connection.prepare<[at: number, id: string]>(
    "UPDATE link_keys SET retired_at = ? WHERE id = ? AND retired_at IS NULL",
  );
  const good = connection.preparePlucked<[keyId: string, at: number], number>(
    "SELECT count(*) FROM links WHERE key_id = ? AND expires_at > ? AND revoked_at IS NULL",
  );
  const revoked = connection.prepare<[expiredBy: number], RevocationRow>(
    "SELECT id AS tokenId, expires_at AS expiresAt FROM links WHERE revoked_at IS NOT NULL AND expires_at > ?",
  );
  const retiredKeys = connection.prepare<[], RetiredLinkKey>(
    "SELECT id AS keyId FROM link_keys WHERE retired_at IS NOT NULL",
  );
  return {
    table: (access) => ({
      find: (id) =>
        access(() => {
          const row = find.get(id);
          return row && linkFrom(row);
        }),
      list: () => access(() => list.all().map(linkFrom)),
      currentKey: () => access(() => currentKey.get()),
      create: (link) =>
        access(() => {
          const { id, keyId, subject, sandboxId, port, methods, path, createdAt, expiresAt } = link;
          createKey.run(keyId, createdAt);
          create.run(id, keyId, subject, sandboxId, port, methods && methods.join(","), path, createdAt, expiresAt);
        }),
      revoke: (id, at) => access(() => revoke.run(at, id).changes > 0),
      retireKey: (keyId, at) =>
        access(() => {
          const links = good.get(keyId, at) ?? 0;
          retire.run(at, keyId);
          return links;
        }),
    }),
    revoked: (expiredBy) => revoked.all(expiredBy),
    retiredKeys: () => retiredKeys.all(),
  };
}

function linkFrom({ methods, ...row }: LinkRow): LinkRecord {
  return { ...row, methods: methods === null ? null : methods.split(",") };
}
