import { type Labels, NO_LABELS } from "../../domain/labels.ts";
import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import { NO_SETTINGS, type Settings } from "../../domain/settings/settings.ts";
import type { SandboxTable } from "../store.ts";
import type { Connection } from "./engine/connection.ts";
import type { Access } from "./engine/turns.ts";

interface SandboxRow {
  readonly id: string;
  readonly runtime: string;
  readonly driver: string;
  readonly strategy: string | null;
  readonly labels: string;
  readonly settings: string;
  readonly createdAt: number;
}

interface InstanceRow extends Omit<Instance, "draining" | "tripped"> {
  readonly draining: number;
  readonly tripped: number;
}

const SANDBOX = "id, runtime, driver, strategy, labels, settings, created_at AS createdAt";
const INSTANCE = "id, sandbox_id AS sandboxId, url, number, weight, draining, tripped";
/** What nearly all of them have: nothing to parse, and one object for all. */
const EMPTY = "{}";

/** The statements are prepared once; a table is one caller's view of them. `list` is for snapshots. */
export function prepareSandboxes(connection: Connection): {
  readonly table: (access: Access) => SandboxTable;
  readonly list: () => Sandbox[];
} {
  const find = connection.prepare<[id: string], SandboxRow>(`SELECT ${SANDBOX} FROM sandboxes WHERE id = ?`);
  const list = connection.prepare<[], SandboxRow>(`SELECT ${SANDBOX} FROM sandboxes ORDER BY id`);
  const create = connection.prepare<[string, string, string, string | null, string, string, number]>(
    "INSERT INTO sandboxes (id, runtime, driver, strategy, labels, settings, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const update = connection.prepare<[string, string | null, string, string, id: string]>(
    "UPDATE sandboxes SET runtime = ?, strategy = ?, labels = ?, settings = ? WHERE id = ?",
  );
  const remove = connection.prepare<[id: string]>("DELETE FROM sandboxes WHERE id = ?");
  const instancesOf = connection.prepare<[sandboxId: string], InstanceRow>(
    `SELECT ${INSTANCE} FROM instances WHERE sandbox_id = ? ORDER BY number`,
  );
  const allInstances = connection.prepare<[], InstanceRow>(`SELECT ${INSTANCE} FROM instances ORDER BY number`);
  const createInstance = connection.prepare<[id: string, sandboxId: string, url: string, weight: number]>(
    "INSERT INTO instances (id, sandbox_id, url, weight) VALUES (?, ?, ?, ?)",
  );
  const updateInstance = connection.prepare<[weight: number, draining: number, tripped: number, id: string]>(
    "UPDATE instances SET weight = ?, draining = ?, tripped = ? WHERE id = ?",
  );
  const findInstance = connection.prepare<[id: string], InstanceRow>(`SELECT ${INSTANCE} FROM instances WHERE id = ?`);
  const removeInstance = connection.prepare<[id: string]>("DELETE FROM instances WHERE id = ?");

  const findWhole = (id: string): Sandbox | undefined => {
    const row = find.get(id);
    return row && sandboxFrom(row, instancesOf.all(id));
  };
  const listWhole = (): Sandbox[] => {
    const instances = Map.groupBy(allInstances.all(), (instance) => instance.sandboxId);
    return list.all().map((row) => sandboxFrom(row, instances.get(row.id) ?? []));
  };

  return {
    table: (access) => ({
      find: (id) => access(() => connection.read(() => findWhole(id))),
      list: () => access(() => connection.read(listWhole)),
      findInstance: (id) =>
        access(() => {
          const row = findInstance.get(id);
          return row && instanceFrom(row);
        }),
      create: ({ id, runtime, driver, strategy, labels, settings, createdAt }) =>
        access(
          () =>
            void create.run(id, runtime, driver, strategy, JSON.stringify(labels), JSON.stringify(settings), createdAt),
        ),
      update: ({ id, runtime, strategy, labels, settings }) =>
        access(() => update.run(runtime, strategy, JSON.stringify(labels), JSON.stringify(settings), id).changes > 0),
      remove: (id) => access(() => remove.run(id).changes > 0),
      createInstance: ({ id, sandboxId, url, weight }) =>
        access(() => {
          const { lastInsertRowid } = createInstance.run(id, sandboxId, url, weight);
          return { id, sandboxId, url, number: Number(lastInsertRowid), weight, draining: false, tripped: false };
        }),
      updateInstance: ({ id, weight, draining, tripped }) =>
        access(() => updateInstance.run(weight, Number(draining), Number(tripped), id).changes > 0),
      removeInstance: (id) => access(() => removeInstance.run(id).changes > 0),
    }),
    list: listWhole,
  };
}

function sandboxFrom({ labels, settings, ...row }: SandboxRow, instances: readonly InstanceRow[]): Sandbox {
  return {
    ...row,
    labels: labels === EMPTY ? NO_LABELS : (JSON.parse(labels) as Labels),
    settings: settings === EMPTY ? NO_SETTINGS : (JSON.parse(settings) as Settings),
    instances: instances.map(instanceFrom),
  };
}

function instanceFrom({ draining, tripped, ...row }: InstanceRow): Instance {
  return { ...row, draining: draining === 1, tripped: tripped === 1 };
}
