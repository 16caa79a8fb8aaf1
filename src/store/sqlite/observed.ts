import type { ObservedTable } from "../store.ts";
import type { Connection, Query } from "./connection.ts";

export class SqliteObserved implements ObservedTable {
  readonly #put: Query<[name: string, json: string, at: number]>;
  readonly #find: Query<[name: string], { readonly json: string; readonly at: number }>;

  constructor(connection: Connection) {
    this.#put = connection.prepare("REPLACE INTO observed (name, json, at) VALUES (?, ?, ?)");
    this.#find = connection.prepare("SELECT json, at FROM observed WHERE name = ?");
  }

  put(name: string, json: string, at: number): void {
    this.#put.run(name, json, at);
  }

  find(name: string): { readonly json: string; readonly at: number } | undefined {
    return this.#find.get(name);
  }
}
