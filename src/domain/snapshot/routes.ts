import type { CustomRoute } from "../route/route.ts";
import { NOTHING_HELD, type Projection } from "./projection.ts";
import { RouteTable } from "./route-table.ts";

/** Custom routes, by host and path. A sandbox's own go before it does: whoever removes it announces them. */
export const routes: Projection<CustomRoute, RouteTable> = {
  from: (rows) => RouteTable.from(rows),

  rows: (table) => [...table.values()],

  apply(table, change) {
    if (change.kind === "route.put") return table.with(change.route);
    if (change.kind === "route.removed") return table.without(change.routeId);
    return table;
  },

  dropped: () => NOTHING_HELD,

  held: () => NOTHING_HELD,
};
