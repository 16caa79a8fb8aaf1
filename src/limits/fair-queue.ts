import type { GatewayError } from "../errors.ts";
import { Pressure } from "./pressure.ts";
import type { SketchKey } from "./sketch.ts";

/** Who wants a slot, and of what; null where no share is counted. */
export interface Claim {
  readonly callerKey: SketchKey | null;
  readonly sandboxKey: SketchKey | null;
}

export interface Waiter {
  readonly claim: Claim;
  /** Monotonic milliseconds. */
  readonly since: number;
  readonly admit: () => void;
  readonly refuse: (error: GatewayError) => void;
}

/** One caller's place among the callers. */
interface Lane {
  readonly caller: SketchKey | null;
  readonly pressure: Pressure;
  /** Oldest first; never empty. */
  readonly waiters: Waiter[];
}

/**
 * Who waits on one thread: callers take turns, whatever number of calls each has waiting, and a caller's own calls stand in
 * the order they came. Each caller's part is kept no deeper than it is worth (see Pressure), so that one who asks too much
 * makes only itself wait; what is too deep already is dropped from the oldest, whose clients have waited longest and are
 * the first to give up (Maurer, "Fail at Scale", ACM Queue 2015).
 * Arrays, not a Map: see InFlight. There are few callers in a queue.
 */
export class FairQueue {
  readonly #targetMs: number;
  /** The next one's turn first. */
  readonly #lanes: Lane[] = [];
  #size = 0;

  /** `targetMs`: see Pressure. */
  constructor(options: { targetMs: number }) {
    this.#targetMs = options.targetMs;
  }

  get size(): number {
    return this.#size;
  }

  /** False when the caller's part is deep enough: then the waiter is not taken in. */
  push(waiter: Waiter): boolean {
    const caller = waiter.claim.callerKey;
    let lane = this.#laneOf(caller);
    if (lane === undefined) {
      lane = { caller, pressure: new Pressure(this.#targetMs), waiters: [] };
      this.#lanes.push(lane);
    }
    if (!lane.pressure.arrive(lane.waiters.length)) return false;
    lane.waiters.push(waiter);
    this.#size += 1;
    return true;
  }

  /** The first whose shares have room, callers in turn; it stays until it is served. */
  first(hasRoom: (key: SketchKey | null, kind: "caller" | "sandbox") => boolean): Waiter | undefined {
    for (const { caller, waiters } of this.#lanes) {
      if (!hasRoom(caller, "caller")) continue;
      let full: SketchKey | null | undefined;
      for (const waiter of waiters) {
        const { sandboxKey } = waiter.claim;
        if (sandboxKey === full) continue;
        if (hasRoom(sandboxKey, "sandbox")) return waiter;
        full = sandboxKey;
      }
    }
    return undefined;
  }

  /** Takes a waiter out to be served: its caller's next turn comes last. Returns those that wait too deep behind it. */
  serve(waiter: Waiter, now: number): readonly Waiter[] {
    const lane = this.#take(waiter);
    if (lane === undefined || lane.waiters.length === 0) return NOBODY;
    this.#lanes.splice(this.#lanes.indexOf(lane), 1);
    this.#lanes.push(lane);
    lane.pressure.served(now - waiter.since, now);
    const surplus = lane.waiters.length - lane.pressure.depth;
    return surplus > 0 ? lane.waiters.slice(0, surplus) : NOBODY;
  }

  /** Takes a waiter out that is not served. False when it is not in the queue. */
  remove(waiter: Waiter): boolean {
    return this.#take(waiter) !== undefined;
  }

  /** The one that has waited longest. */
  oldest(): Waiter | undefined {
    let oldest: Waiter | undefined;
    for (const { waiters } of this.#lanes) {
      const first = waiters[0] as Waiter;
      if (oldest === undefined || first.since < oldest.since) oldest = first;
    }
    return oldest;
  }

  #take(waiter: Waiter): Lane | undefined {
    const lane = this.#laneOf(waiter.claim.callerKey);
    const place = lane?.waiters.indexOf(waiter) ?? -1;
    if (lane === undefined || place < 0) return undefined;
    lane.waiters.splice(place, 1);
    this.#size -= 1;
    if (lane.waiters.length === 0) this.#lanes.splice(this.#lanes.indexOf(lane), 1);
    return lane;
  }

  #laneOf(caller: SketchKey | null): Lane | undefined {
    return this.#lanes.find((lane) => isSame(lane.caller, caller));
  }
}

const NOBODY: readonly Waiter[] = [];

function isSame(one: SketchKey | null, other: SketchKey | null): boolean {
  if (one === null || other === null) return one === other;
  return one.first === other.first && one.second === other.second;
}
