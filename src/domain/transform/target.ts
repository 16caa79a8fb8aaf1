import type { Variables } from "./template.ts";
import type { RequestChange } from "./transformation.ts";

/**
 * Another path and query for those of a sandbox's own.
 * @throws GatewayError VAL_012
 */
export function changedTarget(target: string, { path, query }: RequestChange, variables: Variables): string {
  if (!target.startsWith("/")) return target; // it asks about the whole server (RFC 9112 section 3.2.4)
  const mark = target.indexOf("?");
  const before = mark < 0 ? target : target.slice(0, mark);
  const changed = path === null ? before : path(before, variables);
  if (query === null) return changed + (mark < 0 ? "" : target.slice(mark));
  const asked = query(mark < 0 ? "" : target.slice(mark + 1), variables);
  return asked === "" ? changed : `${changed}?${asked}`;
}
