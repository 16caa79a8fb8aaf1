import { Roles } from "../role/roles.ts";
import type { Role } from "../role/role.ts";
import { NOTHING_HELD, type Projection } from "./projection.ts";

/** Roles by their name. The rows are those that somebody has made; the built-in ones need none. */
export const roles: Projection<Role, Roles> = {
  from: (rows) => Roles.from(rows),

  rows: (map) => map.own(),

  apply(map, change) {
    if (change.kind === "role.put") return map.with(change.role);
    return change.kind === "role.removed" ? map.without(change.name) : map;
  },

  dropped: () => NOTHING_HELD,

  held: () => NOTHING_HELD,
};
