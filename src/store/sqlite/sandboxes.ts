import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import type { SandboxTable } from "../store.ts";
import type { Connection } from "./engine/connection.ts";
import type { Access } from "./engine/turns.ts";

interface SandboxRow {
  readonly id: string;
  readonly runtime: string;
  readonly driver: string;
  readonly strategy: string | null;
  readonly createdAt: number;
}

const SANDBOX = "id, runtime, driver, strategy, created_at AS createdAt";
const INSTANCE = "id, sandbox_id AS sandboxId, url, number";

/** The statements are prepared once; a table is one caller's view of them. `list` is for snapshots. */
export function prepareSandboxes(connection: Connection): {
  readonly table: (access: Access) => SandboxTable;
  readonly list: () => Sandbox[];
} {
  const find = connection.prepare<[id: string], SandboxRow>(`SELECT ${SANDBOX} FROM sandboxes WHERE id = ?`);
  const list = connection.prepare<[], SandboxRow>(`SELECT ${SANDBOX} FROM sandboxes ORDER BY id`);
  const create = connection.prepare<[string, string, string, string | null, number]>(
    "INSERT INTO sandboxes (id, runtime, driver, strategy, created_at) VALUES (?, ?, ?, ?, ?)",
  );
  const remove = connection.prepare<[id: string]>("DELETE FROM sandboxes WHERE id = ?");
  const instancesOf = connection.prepare<[sandboxId: string], Instance>(
    `SELECT ${INSTANCE} FROM instances WHERE sandbox_id = ? ORDER BY number`,
  );
  const allInstances = connection.prepare<[], Instance>(`SELECT ${INSTANCE} FROM instances ORDER BY number`);
  const createInstance = connection.prepare<[id: string, sandboxId: string, url: string]>(
    "INSERT INTO instances (id, sandbox_id, url) VALUES (?, ?, ?)",
  );
  const findInstance = connection.prepare<[id: string], Instance>(`SELECT ${INSTANCE} FROM instances WHERE id = ?`);
  const removeInstance = connection.prepare<[id: string]>("DELETE FROM instances WHERE id = ?");

  const findWhole = (id: string): Sandbox | undefined => {
    const row = find.get(id);
    return row && { ...row, instances: instancesOf.all(id) };
  };
  const listWhole = (): Sandbox[] => {
    const instances = Map.groupBy(allInstances.all(), (instance) => instance.sandboxId);
    return list.all().map((row) => ({ ...row, instances: instances.get(row.id) ?? [] }));
  };

  return {
    table: (access) => ({
      find: (id) => access(() => connection.read(() => findWhole(id))),
      list: () => access(() => connection.read(listWhole)),
      findInstance: (id) => access(() => findInstance.get(id)),
      create: ({ id, runtime, driver, strategy, createdAt }) =>
        access(() => void create.run(id, runtime, driver, strategy, createdAt)),
      remove: (id) => access(() => remove.run(id).changes > 0),
      createInstance: ({ id, sandboxId, url }) =>
        access(() => ({ id, sandboxId, url, number: Number(createInstance.run(id, sandboxId, url).lastInsertRowid) })),
      removeInstance: (id) => access(() => removeInstance.run(id).changes > 0),
    }),
    list: listWhole,
  };
}
