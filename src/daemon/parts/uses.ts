import type { Use } from "../../domain/token.ts";
import type { UseTable } from "../../store/store.ts";
import type { Log } from "./log.ts";

/** Writes back when credentials were last used. A use that cannot be written is missed by nobody but a list. */
export function noteUses({ table, log }: { table: UseTable; log: Log }): (uses: readonly Use[]) => void {
  return (uses) => {
    table
      .note(uses)
      .catch((error: unknown) => log.warn({ error: String(error) }, "the last use of API keys could not be written"));
  };
}
