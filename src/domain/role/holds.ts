import { matchesPattern } from "../principal.ts";
import type { Rights } from "./rights.ts";
import type { Grant, Permission } from "./role.ts";

/** What somebody holds: a role, as a token narrows it. */
export interface Holding {
  readonly rights: Rights;
  /** null = all. */
  readonly sandboxes: readonly string[] | null;
  readonly operations: readonly string[] | null;
}

/** One permission of a grant. Lists of patterns, and of operations: what is meant is in all of them. */
interface Piece extends Pick<Grant, "labels" | "ports" | "methods"> {
  readonly permission: Permission;
  readonly sandboxes: readonly (readonly string[])[];
  readonly operations: readonly (readonly string[])[];
}

/**
 * A permission that `wanted` has and `held` has not, or not so widely; null when there is none. Careful: what is covered by
 * several grants together only, and by none alone, counts as not held.
 */
export function lacking(held: Holding, wanted: Holding): Permission | null {
  const holds = piecesOf(held);
  return piecesOf(wanted).find((piece) => !holds.some((one) => isWithin(piece, one)))?.permission ?? null;
}

function piecesOf({ rights, sandboxes, operations }: Holding): Piece[] {
  return rights.role.grants.flatMap((grant) =>
    grant.permissions
      .filter((permission) => permission !== "sandbox:proxy" || operations === null)
      .map((permission) => {
        const isOfSandboxes = permission.startsWith("sandbox:");
        const { labels, ports, methods } = grant;
        return {
          permission,
          sandboxes: given(grant.sandboxes, isOfSandboxes ? sandboxes : null),
          operations: permission === "sandbox:execute" ? given(grant.operations, operations) : [],
          labels,
          ports,
          methods,
        };
      }),
  );
}

function isWithin(inner: Piece, outer: Piece): boolean {
  const { labels, ports, methods } = inner;
  return (
    inner.permission === outer.permission &&
    outer.sandboxes.every((list) =>
      inner.sandboxes.some((patterns) => patterns.every((each) => isMatched(each, list))),
    ) &&
    outer.operations.every((list) => inner.operations.some((names) => names.every((each) => list.includes(each)))) &&
    Object.entries(outer.labels ?? {}).every(([name, value]) => labels !== null && labels[name] === value) &&
    (outer.methods === null || (methods?.every((each) => outer.methods?.includes(each) === true) ?? false)) &&
    (outer.ports === null ||
      (ports?.every(([from, to]) => outer.ports?.some(([low, high]) => low <= from && to <= high) === true) ?? false))
  );
}

/** Whatever the pattern matches, one of the list does: its stars can be matched by stars alone. */
function isMatched(pattern: string, list: readonly string[]): boolean {
  return list.some((each) => matchesPattern(each, pattern));
}

function given<T>(...lists: readonly (T | null)[]): T[] {
  return lists.filter((list) => list !== null);
}
