import type { ObservedTable } from "../store.ts";
import type { Connection } from "./engine/connection.ts";
import type { Access } from "./engine/turns.ts";

export function observedTable(connection: Connection, access: Access): ObservedTable {
  const put = connection.prepare<[name: string, json: string, at: number]>(
    "REPLACE INTO observed (name, json, at) VALUES (?, ?, ?)",
  );
  const find = connection.prepare<[name: string], { readonly json: string; readonly at: number }>(
    "SELECT json, at FROM observed WHERE name = ?",
  );
  return {
    put: (name, json, at) => access(() => void put.run(name, json, at)),
    find: (name) => access(() => find.get(name)),
  };
}
