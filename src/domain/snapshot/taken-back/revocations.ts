import type { Revocation, RevocationRow } from "../../token.ts";
import { LayeredMap } from "../layered-map.ts";
import { NOTHING_HELD, type Projection } from "../projection.ts";

/** Revoked tokens that would still be accepted, by token id. */
export const revocations: Projection<RevocationRow, LayeredMap<Revocation>> = {
  from: (rows) => LayeredMap.from(rows.map(({ tokenId, expiresAt }) => [tokenId, { expiresAt }])),

  rows: (map) => Array.from(map.entries(), ([tokenId, { expiresAt }]) => ({ tokenId, expiresAt })),

  apply: (map, change) =>
    change.kind === "token.revoked" ? map.with(change.tokenId, { expiresAt: change.expiresAt }) : map,

  forget(map, expiredBy) {
    const kept = [...map.entries()].filter(([, { expiresAt }]) => expiresAt > expiredBy);
    return kept.length === map.size ? map : LayeredMap.from(kept);
  },

  dropped: () => NOTHING_HELD,

  held: () => NOTHING_HELD,
};
