import type { Instance } from "../../../domain/sandbox.ts";

/** Whether none is to get more than another. */
export function areEqual(candidates: readonly Instance[]): boolean {
  const first = candidates[0]?.weight;
  for (const { weight } of candidates) if (weight !== first) return false;
  return true;
}

/** Any one of them, each as likely as its weight says. Where none has any, as likely as the others. */
export function drawn(candidates: readonly Instance[], random: () => number): Instance {
  let total = 0;
  for (const { weight } of candidates) total += weight;
  let left = random() * total;
  for (const candidate of candidates) {
    left -= candidate.weight;
    if (left < 0) return candidate;
  }
  return candidates[Math.floor(random() * candidates.length)] as Instance;
}
