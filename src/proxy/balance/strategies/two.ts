import type { Instance } from "../../../domain/sandbox.ts";
import { areEqual, drawn } from "./weights.ts";

/**
 * Two different candidates by chance, or the only one twice. The heavy ones more often: of weights 5, 1, 1 the first could
 * else never have more than two thirds.
 */
export function twoOf(candidates: readonly Instance[], random: () => number): [Instance, Instance] {
  if (candidates.length > 1 && !areEqual(candidates)) {
    const one = drawn(candidates, random);
    return [
      one,
      drawn(
        candidates.filter((each) => each !== one),
        random,
      ),
    ];
  }
  const first = Math.floor(random() * candidates.length);
  const step = 1 + Math.floor(random() * (candidates.length - 1));
  return [candidates[first] as Instance, candidates[(first + step) % candidates.length] as Instance];
}
