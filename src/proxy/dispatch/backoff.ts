import type { FailureKind } from "./failure.ts";

/** What the first pause is at most, and any of them; ms. Envoy's: the base, and ten times of it. */
const FIRST_MS = 25;
const MOST_MS = 250;

/**
 * How long the `retry`-th further try of a call waits, ms: full jitter, that is anything from nothing to twice of what it was
 * before, so that calls which failed together do not come back together. `random`: 0 to 1.
 */
export function backoffMs(retry: number, random: number = Math.random()): number {
  return random * Math.min(MOST_MS, FIRST_MS * 2 ** (retry - 1));
}

/**
 * Whether a call pauses before it goes on. Not to another instance when nothing was sent: that one has had no part in it. Nor
 * when a kept connection broke: the instance may have closed it long ago, and is asked anew.
 */
export function isPaused(kind: FailureKind, { again, kept }: { again: boolean; kept: boolean }): boolean {
  if (kind === "unreachable") return again;
  return kind !== "broken" || !kept;
}
