import type { Change, Revised } from "../../domain/change.ts";
import { GatewayError } from "../../errors.ts";
import type { ChangeTable } from "../store.ts";
import type { Connection, Query } from "./connection.ts";

/** How many changes are kept. A reader further behind than this starts from a whole snapshot. */
export const KEPT_CHANGES = 10_000;

export class SqliteChanges implements ChangeTable {
  readonly #append: Query<[change: string, at: number]>;
  readonly #forget: Query<[revision: number]>;
  readonly #revision: Query<[], number>;
  readonly #since: Query<[revision: number], { revision: number; change: string }>;

  constructor(connection: Connection) {
    this.#append = connection.prepare("INSERT INTO changes (change, created_at) VALUES (?, ?)");
    this.#forget = connection.prepare("DELETE FROM changes WHERE revision <= ?");
    this.#revision = connection.preparePlucked("SELECT coalesce(max(revision), 0) FROM changes");
    this.#since = connection.prepare("SELECT revision, change FROM changes WHERE revision > ? ORDER BY revision");
  }

  append(change: Change, at: number): number {
    const revision = Number(this.#append.run(JSON.stringify(change), at).lastInsertRowid);
    this.#forget.run(revision - KEPT_CHANGES);
    return revision;
  }

  revision(): number {
    return this.#revision.get() ?? 0;
  }

  since(revision: number): Revised[] | "resync" {
    const rows = this.#since.all(revision);
    const [first] = rows;
    // Revisions have no gaps. One from the future was seen before the file was replaced by an older one.
    const isComplete = first === undefined ? revision <= this.revision() : first.revision === revision + 1;
    return isComplete ? rows.map(revisedFrom) : "resync";
  }
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
