import type { KeyTable } from "../store.ts";
import type { Connection } from "./engine/connection.ts";
import type { Access } from "./engine/turns.ts";

export function keyTable(connection: Connection, access: Access): KeyTable {
  const find = connection.preparePlucked<[name: string], Buffer>("SELECT sealed FROM keys WHERE name = ?");
  const create = connection.prepare<[name: string, sealed: Buffer, at: number]>(
    "INSERT INTO keys (name, sealed, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
  );
  return {
    find: (name) => access(() => find.get(name)),
    createIfAbsent: (name, sealed, at) => access(() => void create.run(name, sealed, at)),
  };
}
