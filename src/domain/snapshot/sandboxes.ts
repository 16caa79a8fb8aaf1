import type { Sandbox } from "../sandbox.ts";
import type { SettingName } from "../settings/settings.ts";
import { upstream } from "../settings/upstream.ts";
import { LayeredMap } from "./layered-map.ts";
import { NOTHING_HELD, type Projection } from "./projection.ts";

/** By id. */
export const sandboxes: Projection<Sandbox, LayeredMap<Sandbox>> = {
  from: (rows) => LayeredMap.from(rows.map((sandbox) => [sandbox.id, sandbox])),

  rows: (map) => [...map.values()],

  apply(map, change) {
    if (change.kind === "sandbox.put") return map.with(change.sandbox.id, change.sandbox);
    if (change.kind === "sandbox.removed") return map.without(change.sandboxId);
    return map;
  },

  dropped(map, change) {
    if (change.kind !== "sandbox.put" && change.kind !== "sandbox.removed") return NOTHING_HELD;
    const [id, kept] = change.kind === "sandbox.put" ? [change.sandbox.id, change.sandbox] : [change.sandboxId];
    const before = map.get(id);
    const had = before?.instances ?? [];
    const isReachedAsBefore = before !== undefined && kept !== undefined && sameConnections(before, kept);
    const stays = new Set(isReachedAsBefore ? kept.instances.map((instance) => instance.id) : []);
    return { instances: had.map((instance) => instance.id).filter((instanceId) => !stays.has(instanceId)) };
  },

  held: (map) => ({
    instances: [...map.values()].flatMap(({ instances }) => instances.map((instance) => instance.id)),
  }),
};

const OF_CONNECTIONS = Object.keys(upstream.settings) as readonly SettingName[];

/** Whether connections to the instances that were made before would be made the same way now. */
function sameConnections({ settings: before }: Sandbox, { settings: now }: Sandbox): boolean {
  return OF_CONNECTIONS.every((name) => before[name] === now[name]);
}
