import type { Instance } from "../../../domain/sandbox.ts";

/**
 * How well a key and an instance go together, 0 to 2^32 - 1. Each key has its own order of all instances, so one that comes or
 * goes moves only the keys that go best with it: 1/n of them (Thaler and Ravishankar, rendezvous hashing, 1998).
 */
export function affinity(hash: number, { number }: Instance): number {
  // MurmurHash3's finaliser over both.
  let mixed = hash ^ Math.imul(number + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** 32 bits of a text (FNV-1a). */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}

/** The candidate that goes best with the key. Each goes best with as many keys as its weight says. */
export function bestOf(candidates: readonly Instance[], hash: number): Instance {
  let best = candidates[0] as Instance;
  let most = affinity(hash, best);
  for (const candidate of candidates) {
    if (candidate.weight !== best.weight) return bestByWeight(candidates, hash);
    const fits = affinity(hash, candidate);
    if (fits > most) [best, most] = [candidate, fits];
  }
  return best;
}

/** Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005: their logarithmic method. */
function bestByWeight(candidates: readonly Instance[], hash: number): Instance {
  let best = candidates[0] as Instance;
  let most = -1;
  for (const candidate of candidates) {
    const fits = candidate.weight / -Math.log((affinity(hash, candidate) + 0.5) / 2 ** 32);
    if (fits > most) [best, most] = [candidate, fits];
  }
  return best;
}
