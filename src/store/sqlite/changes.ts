import type { Change, Revised } from "../../domain/change.ts";
import { GatewayError } from "../../errors.ts";
import type { ChangeTable } from "../store.ts";
import type { Connection } from "./engine/connection.ts";
import type { Access } from "./engine/turns.ts";

/** How many changes are kept. A reader further behind than this starts from a whole snapshot. */
export const KEPT_CHANGES = 10_000;

/** The statements are prepared once; a table is one caller's view of them. `revision` is for snapshots. */
export function prepareChanges(connection: Connection): {
  readonly table: (access: Access) => ChangeTable;
  readonly revision: () => number;
} {
  const append = connection.prepare<[change: string, at: number]>(
    "INSERT INTO changes (change, created_at) VALUES (?, ?)",
  );
  const forget = connection.prepare<[revision: number]>("DELETE FROM changes WHERE revision <= ?");
  const newest = connection.preparePlucked<[], number>("SELECT coalesce(max(revision), 0) FROM changes");
  const after = connection.prepare<[revision: number], { revision: number; change: string }>(
    "SELECT revision, change FROM changes WHERE revision > ? ORDER BY revision",
  );

  const revision = (): number => newest.get() ?? 0;
  const appendOne = (change: Change, at: number): number => {
    const appended = Number(append.run(JSON.stringify(change), at).lastInsertRowid);
    forget.run(appended - KEPT_CHANGES);
    return appended;
  };
  const since = (seen: number): Revised[] | "resync" => {
    const rows = after.all(seen);
    const [first] = rows;
    // Revisions have no gaps. One from the future was seen before the file was replaced by an older one.
    const isComplete = first === undefined ? seen <= revision() : first.revision === seen + 1;
    return isComplete ? rows.map(revisedFrom) : "resync";
  };

  return {
    table: (access) => ({
      revision: () => access(revision),
      since: (seen) => access(() => connection.read(() => since(seen))),
      append: (change, at) => access(() => appendOne(change, at)),
    }),
    revision,
  };
}

/** Only `append` writes these texts; one that is no JSON was damaged. */
function revisedFrom({ revision, change: json }: { revision: number; change: string }): Revised {
  try {
    const change: Change = JSON.parse(json);
    return { revision, change };
  } catch (error) {
    throw new GatewayError("GW_005", { details: `change ${revision} cannot be read`, cause: error });
  }
}
