import type { Instance } from "../../../domain/sandbox.ts";

/** Two different candidates by chance, or the only one twice. */
export function twoOf(candidates: readonly Instance[], random: () => number): [Instance, Instance] {
  const first = Math.floor(random() * candidates.length);
  const step = 1 + Math.floor(random() * (candidates.length - 1));
  return [candidates[first] as Instance, candidates[(first + step) % candidates.length] as Instance];
}
