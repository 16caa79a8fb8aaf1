import type { KeyTable } from "../store.ts";
import type { Connection, Query } from "./connection.ts";

export class SqliteKeys implements KeyTable {
  readonly #find: Query<[name: string], Buffer>;
  readonly #create: Query<[name: string, sealed: Buffer, at: number]>;

  constructor(connection: Connection) {
    this.#find = connection.preparePlucked("SELECT sealed FROM keys WHERE name = ?");
    this.#create = connection.prepare(
      "INSERT INTO keys (name, sealed, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
    );
  }

  find(name: string): Buffer | undefined {
    return this.#find.get(name);
  }

  createIfAbsent(name: string, sealed: Buffer, at: number): void {
    this.#create.run(name, sealed, at);
  }
}
