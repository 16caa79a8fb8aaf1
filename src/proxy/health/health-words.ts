// What the checks say of each instance, in shared memory. The control thread alone writes it; traffic has a word of its own
// (state-word.ts), because one answer that came through says nothing of the next.

import { HEALTH_STATES, type HealthState } from "../../domain/instance/health.ts";
import { TICK_MS } from "./circuits.ts";

/** By place. */
export interface HealthWords {
  /** Number of its state in HEALTH_STATES. */
  readonly state: Int32Array;
  /** When it was well again, or its place was given out; ticks of the circuits' clock. */
  readonly since: Int32Array;
}

const DOWN = HEALTH_STATES.indexOf("down");

export function isDownAt({ state }: HealthWords, place: number): boolean {
  return Atomics.load(state, place) === DOWN;
}

export function healthAt({ state }: HealthWords, place: number): HealthState {
  return HEALTH_STATES[Atomics.load(state, place)] ?? "unchecked";
}

/** Milliseconds since an instance was well again after it had been down. `now`: ticks. */
export function wellForMs({ since }: HealthWords, place: number, now: number): number {
  return Math.max(0, (now - Atomics.load(since, place)) | 0) * TICK_MS;
}

export function setHealth(words: HealthWords, place: number, state: HealthState, now: number): void {
  if (state !== "down" && isDownAt(words, place)) Atomics.store(words.since, place, now);
  Atomics.store(words.state, place, HEALTH_STATES.indexOf(state));
}

/** A place begins anew. */
export function clearHealth({ state, since }: HealthWords, place: number, now: number): void {
  Atomics.store(state, place, 0);
  Atomics.store(since, place, now);
}
