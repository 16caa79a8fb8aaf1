import type { CustomRoute } from "../../domain/route/route.ts";
import { NO_SETTINGS, type Settings } from "../../domain/settings/settings.ts";
import type { RouteTable } from "../store.ts";
import type { Cell, Connection } from "./engine/connection.ts";
import type { Access } from "./engine/turns.ts";

interface RouteRow extends Omit<CustomRoute, "methods" | "stripPrefix" | "settings"> {
  /** JSON array. */
  readonly methods: string | null;
  readonly stripPrefix: number;
  readonly settings: string;
}

const ROUTE =
  "id, host, path, methods, strip_prefix AS stripPrefix, sandbox_id AS sandboxId, settings, created_at AS createdAt";

/** The statements are prepared once; a table is one caller's view of them. `list` is for snapshots. */
export function prepareRoutes(connection: Connection): {
  readonly table: (access: Access) => RouteTable;
  readonly list: () => CustomRoute[];
} {
  const find = connection.prepare<[id: string], RouteRow>(`SELECT ${ROUTE} FROM routes WHERE id = ?`);
  const list = connection.prepare<[], RouteRow>(`SELECT ${ROUTE} FROM routes ORDER BY host, path, methods, id`);
  const listOf = connection.prepare<[sandboxId: string], RouteRow>(
    `SELECT ${ROUTE} FROM routes WHERE sandbox_id = ? ORDER BY host, path, methods, id`,
  );
  const listAt = connection.prepare<[path: string, host: string | null], RouteRow>(
    `SELECT ${ROUTE} FROM routes WHERE path = ? AND host IS ? ORDER BY id`,
  );
  const create = connection.prepare<Cell[]>(
    "INSERT INTO routes (id, host, path, methods, strip_prefix, sandbox_id, settings, created_at) " +
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const remove = connection.prepare<[id: string]>("DELETE FROM routes WHERE id = ?");
  const listWhole = (): CustomRoute[] => list.all().map(routeFrom);
  return {
    table: (access) => ({
      find: (id) =>
        access(() => {
          const row = find.get(id);
          return row && routeFrom(row);
        }),
      list: () => access(listWhole),
      listOf: (sandboxId) => access(() => listOf.all(sandboxId).map(routeFrom)),
      listAt: ({ host, path }) => access(() => listAt.all(path, host).map(routeFrom)),
      create: ({ id, host, path, methods, stripPrefix, sandboxId, settings, createdAt }) =>
        access(() => {
          const named = methods && JSON.stringify(methods);
          const strips = Number(stripPrefix);
          create.run(id, host, path, named, strips, sandboxId, JSON.stringify(settings), createdAt);
        }),
      remove: (id) => access(() => remove.run(id).changes > 0),
    }),
    list: listWhole,
  };
}

function routeFrom({ methods, stripPrefix, settings, ...row }: RouteRow): CustomRoute {
  return {
    ...row,
    methods: methods === null ? null : (JSON.parse(methods) as string[]),
    stripPrefix: stripPrefix === 1,
    settings: settings === "{}" ? NO_SETTINGS : (JSON.parse(settings) as Settings),
  };
}
