import { readRole } from "../../domain/role/read-role.ts";
import type { Role } from "../../domain/role/role.ts";
import { GatewayError } from "../../errors.ts";
import type { RoleTable } from "../store.ts";
import type { Connection } from "./engine/connection.ts";
import type { Access } from "./engine/turns.ts";

interface RoleRow {
  readonly name: string;
  /** JSON. */
  readonly grants: string;
}

/** The statements are prepared once; a table is one caller's view of them. `list` is for snapshots too. */
export function prepareRoles(connection: Connection): {
  readonly table: (access: Access) => RoleTable;
  readonly list: () => Role[];
} {
  const find = connection.prepare<[name: string], RoleRow>("SELECT name, grants FROM roles WHERE name = ?");
  const all = connection.prepare<[], RoleRow>("SELECT name, grants FROM roles ORDER BY name");
  const put = connection.prepare<[name: string, grants: string]>(
    "INSERT INTO roles (name, grants) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET grants = excluded.grants",
  );
  const remove = connection.prepare<[name: string]>("DELETE FROM roles WHERE name = ?");
  const list = (): Role[] => all.all().map(roleFrom);
  return {
    table: (access) => ({
      find: (name) =>
        access(() => {
          const row = find.get(name);
          return row && roleFrom(row);
        }),
      list: () => access(list),
      put: ({ name, grants }) => access(() => void put.run(name, JSON.stringify(grants))),
      remove: (name) => access(() => remove.run(name).changes > 0),
    }),
    list,
  };
}

/** Read as strictly as one that somebody makes: a grant that is misread gives too much. */
function roleFrom({ name, grants }: RoleRow): Role {
  try {
    return readRole({ name, grants: JSON.parse(grants) as unknown });
  } catch (cause) {
    throw new GatewayError("GW_005", { details: `role ${name} cannot be read`, cause });
  }
}
