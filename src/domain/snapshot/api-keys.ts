import type { ApiKey } from "../credential/api-key.ts";
import { LayeredMap } from "./layered-map.ts";
import { NOTHING_HELD, type Projection } from "./projection.ts";

/** Opaque keys by their hash. One that is revoked stands among the revocations, and here until it has expired. */
export const apiKeys: Projection<ApiKey, LayeredMap<ApiKey>> = {
  from: (rows) => LayeredMap.from(rows.map((row) => [row.hash, row])),

  rows: (map) => Array.from(map.entries(), ([, row]) => row),

  apply: (map, change) => (change.kind === "api-key.created" ? map.with(change.apiKey.hash, change.apiKey) : map),

  forget(map, expiredBy) {
    const kept = [...map.entries()].filter(([, { expiresAt }]) => expiresAt > expiredBy);
    return kept.length === map.size ? map : LayeredMap.from(kept);
  },

  dropped: () => NOTHING_HELD,

  held: () => NOTHING_HELD,
};
