import type { Session } from "../credential/session.ts";
import { LayeredMap } from "./layered-map.ts";
import { NOTHING_HELD, type Projection } from "./projection.ts";

/** Open sessions by their id. */
export const sessions: Projection<Session, LayeredMap<Session>> = {
  from: (rows) => LayeredMap.from(rows.map((row) => [row.id, row])),

  rows: (map) => [...map.values()],

  apply(map, change) {
    if (change.kind === "session.opened") return map.with(change.session.id, change.session);
    return change.kind === "session.ended" ? map.without(change.sessionId) : map;
  },

  forget(map, expiredBy) {
    const kept = [...map.entries()].filter(([, { expiresAt }]) => expiresAt > expiredBy);
    return kept.length === map.size ? map : LayeredMap.from(kept);
  },

  dropped: () => NOTHING_HELD,

  held: () => NOTHING_HELD,
};
