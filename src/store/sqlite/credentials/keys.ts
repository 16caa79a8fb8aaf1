import type { KeyTable, ResealTable, SealedKey } from "../../store.ts";
import type { Connection } from "../engine/connection.ts";
import type { Access } from "../engine/turns.ts";

/** The statements are prepared once; a table is one caller's view of them. */
export function prepareKeys(connection: Connection): {
  readonly table: (access: Access) => KeyTable;
  readonly reseal: (access: Access) => ResealTable;
} {
  const find = connection.preparePlucked<[name: string], Buffer>("SELECT sealed FROM keys WHERE name = ?");
  const create = connection.prepare<[name: string, sealed: Buffer, at: number]>(
    "INSERT INTO keys (name, sealed, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
  );
  const list = connection.prepare<[], SealedKey>("SELECT name, sealed FROM keys ORDER BY name");
  const replace = connection.prepare<[sealed: Buffer, name: string]>("UPDATE keys SET sealed = ? WHERE name = ?");
  return {
    table: (access) => ({
      find: (name) => access(() => find.get(name)),
      createIfAbsent: (name, sealed, at) => access(() => void create.run(name, sealed, at)),
      scrub: () => access(() => void connection.pragma("wal_checkpoint(TRUNCATE)")),
    }),
    reseal: (access) => ({
      list: () => access(() => list.all()),
      replace: ({ name, sealed }) =>
        access(() => {
          connection.pragma("secure_delete = ON"); // what it was is overwritten, not only given up
          replace.run(sealed, name);
        }),
    }),
  };
}
