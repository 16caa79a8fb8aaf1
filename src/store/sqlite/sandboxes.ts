import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import type { SandboxTable } from "../store.ts";
import type { Connection, Query } from "./connection.ts";

interface SandboxRow {
  readonly id: string;
  readonly runtime: string;
  readonly driver: string;
  readonly strategy: string | null;
  readonly createdAt: number;
}

const SANDBOX = "id, runtime, driver, strategy, created_at AS createdAt";
const INSTANCE = "id, sandbox_id AS sandboxId, url, number";

export class SqliteSandboxes implements SandboxTable {
  readonly #connection: Connection;
  readonly #find: Query<[id: string], SandboxRow>;
  readonly #list: Query<[], SandboxRow>;
  readonly #create: Query<[id: string, runtime: string, driver: string, strategy: string | null, createdAt: number]>;
  readonly #remove: Query<[id: string]>;
  readonly #instancesOf: Query<[sandboxId: string], Instance>;
  readonly #allInstances: Query<[], Instance>;
  readonly #createInstance: Query<[id: string, sandboxId: string, url: string]>;
  readonly #findInstance: Query<[id: string], Instance>;
  readonly #removeInstance: Query<[id: string]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#find = connection.prepare(`SELECT ${SANDBOX} FROM sandboxes WHERE id = ?`);
    this.#list = connection.prepare(`SELECT ${SANDBOX} FROM sandboxes ORDER BY id`);
    this.#create = connection.prepare(
      "INSERT INTO sandboxes (id, runtime, driver, strategy, created_at) VALUES (?, ?, ?, ?, ?)",
    );
    this.#remove = connection.prepare("DELETE FROM sandboxes WHERE id = ?");
    this.#instancesOf = connection.prepare(`SELECT ${INSTANCE} FROM instances WHERE sandbox_id = ? ORDER BY number`);
    this.#allInstances = connection.prepare(`SELECT ${INSTANCE} FROM instances ORDER BY number`);
    this.#createInstance = connection.prepare("INSERT INTO instances (id, sandbox_id, url) VALUES (?, ?, ?)");
    this.#findInstance = connection.prepare(`SELECT ${INSTANCE} FROM instances WHERE id = ?`);
    this.#removeInstance = connection.prepare("DELETE FROM instances WHERE id = ?");
  }

  find(id: string): Sandbox | undefined {
    return this.#connection.read(() => {
      const row = this.#find.get(id);
      return row && { ...row, instances: this.#instancesOf.all(id) };
    });
  }

  list(): Sandbox[] {
    return this.#connection.read(() => {
      const instances = Map.groupBy(this.#allInstances.all(), (instance) => instance.sandboxId);
      return this.#list.all().map((row) => ({ ...row, instances: instances.get(row.id) ?? [] }));
    });
  }

  create({ id, runtime, driver, strategy, createdAt }: Omit<Sandbox, "instances">): void {
    this.#create.run(id, runtime, driver, strategy, createdAt);
  }

  remove(id: string): boolean {
    return this.#remove.run(id).changes > 0;
  }

  createInstance({ id, sandboxId, url }: Omit<Instance, "number">): Instance {
    const number = Number(this.#createInstance.run(id, sandboxId, url).lastInsertRowid);
    return { id, sandboxId, url, number };
  }

  findInstance(id: string): Instance | undefined {
    return this.#findInstance.get(id);
  }

  removeInstance(id: string): boolean {
    return this.#removeInstance.run(id).changes > 0;
  }
}
