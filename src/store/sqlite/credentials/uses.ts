import type { UseTable } from "../../store.ts";
import type { Connection } from "../engine/connection.ts";
import type { Access } from "../engine/turns.ts";

/** When API keys and sessions were last used, whichever has the id. */
export function prepareUses(connection: Connection): (access: Access) => UseTable {
  const useToken = connection.prepare<[at: number, id: string, before: number]>(
    "UPDATE tokens SET last_used_at = ? WHERE id = ? AND coalesce(last_used_at, 0) < ?",
  );
  const useSession = connection.prepare<[at: number, id: string, before: number]>(
    "UPDATE sessions SET last_used_at = ? WHERE id = ? AND last_used_at < ?",
  );
  return (access) => ({
    note: (uses) =>
      access(() =>
        connection.write(() => {
          for (const { tokenId, at } of uses) (tokenId.startsWith("ses_") ? useSession : useToken).run(at, tokenId, at);
        }),
      ),
  });
}
