import type { RetiredLinkKey } from "../../credential/link.ts";
import { LayeredMap } from "../layered-map.ts";
import { NOTHING_HELD, type Projection } from "../projection.ts";

/** Keys of links that are good no more. Somebody retires one by hand now and then: they are never forgotten. */
export const retiredLinkKeys: Projection<RetiredLinkKey, LayeredMap<RetiredLinkKey>> = {
  from: (rows) => LayeredMap.from(rows.map((row) => [row.keyId, row])),

  rows: (map) => Array.from(map.entries(), ([, row]) => row),

  apply: (map, change) => (change.kind === "link-key.retired" ? map.with(change.keyId, { keyId: change.keyId }) : map),

  dropped: () => NOTHING_HELD,

  held: () => NOTHING_HELD,
};
