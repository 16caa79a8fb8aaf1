import type { SubjectRevocation } from "../../token.ts";
import { LayeredMap } from "../layered-map.ts";
import { NOTHING_HELD, type Projection } from "../projection.ts";

/** Subjects whose older credentials are revoked, all of them. Never forgotten: nobody knows how long those made elsewhere live. */
export const revokedSubjects: Projection<SubjectRevocation, LayeredMap<SubjectRevocation>> = {
  from: (rows) => LayeredMap.from(rows.map((row) => [row.subject, row])),

  rows: (map) => Array.from(map.entries(), ([, row]) => row),

  apply(map, change) {
    if (change.kind !== "subject.revoked") return map;
    const { subject, issuedBefore } = change;
    return map.with(subject, { subject, issuedBefore });
  },

  dropped: () => NOTHING_HELD,

  held: () => NOTHING_HELD,
};
