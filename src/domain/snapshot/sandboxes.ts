import type { Sandbox } from "../sandbox.ts";
import { LayeredMap } from "./layered-map.ts";
import { NOTHING_HELD, type Projection } from "./projection.ts";

/** By id. */
export const sandboxes: Projection<Sandbox, Sandbox> = {
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
    const stays = new Set(kept?.instances.map((instance) => instance.id));
    const had = map.get(id)?.instances ?? [];
    return { instances: had.map((instance) => instance.id).filter((instanceId) => !stays.has(instanceId)) };
  },

  held: (map) => ({
    instances: [...map.values()].flatMap(({ instances }) => instances.map((instance) => instance.id)),
  }),
};
