import type { SigningKey } from "../credential/signing-key.ts";
import { LayeredMap } from "./layered-map.ts";
import { NOTHING_HELD, type Projection } from "./projection.ts";

/** Signing keys by their id. Retired ones stay: what they have signed is known to be taken back. */
export const signingKeys: Projection<SigningKey, LayeredMap<SigningKey>> = {
  from: (rows) => LayeredMap.from(rows.map((row) => [row.id, row])),

  rows: (map) => [...map.values()],

  apply: (map, change) =>
    change.kind === "signing-key.changed" ? map.with(change.signingKey.id, change.signingKey) : map,

  dropped: () => NOTHING_HELD,

  held: () => NOTHING_HELD,
};
