import { nearest } from "../../domain/value/nearest.ts";
import { OPERATION_NAMES } from "../../domain/operation.ts";
import { matchesPattern } from "../../domain/principal.ts";

/**
 * What a token is narrowed to and is not there: mostly a slip, and then the token is good for nothing. It may be meant,
 * for sandboxes come later and have operations of their own, so it is told and not refused.
 */
export function absentNames(options: {
  /** Patterns. */
  readonly sandboxes: readonly string[];
  readonly operations: readonly string[];
  /** Ids of those there are. */
  readonly known: readonly string[];
}): string[] {
  const { sandboxes, operations, known } = options;
  const strays = sandboxes.filter((pattern) => !known.some((id) => matchesPattern(pattern, id)));
  const others = operations.filter((name) => !OPERATION_NAMES.some((operation) => operation === name));
  return [
    ...strays.map((pattern) => `--sandbox ${pattern}: there is no such sandbox${meant(pattern, known)}`),
    ...others.map(
      (name) =>
        `--operation ${name}: none of ${OPERATION_NAMES.join(", ")}${meant(name.toLowerCase(), OPERATION_NAMES)}`,
    ),
  ];
}

function meant(name: string, candidates: readonly string[]): string {
  const found = nearest(name, candidates);
  return found === undefined ? "" : ` (did you mean ${found}?)`;
}
