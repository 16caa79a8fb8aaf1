import type { InstanceStateName } from "../../src/domain/instance/state.ts";
import type { Instance, Sandbox } from "../../src/domain/sandbox.ts";
import type { PickBoard, PickRequest, Situation } from "../../src/proxy/balance/strategy.ts";
import { SOME_SANDBOX } from "./sandboxes.ts";
import { SOMEBODY } from "./principal.ts";

/** A sandbox whose instances have these weights, numbered from 0. */
export function sandboxOf(weights: readonly number[], more: Partial<Sandbox> = {}): Sandbox {
  const instances = weights.map((weight, number) => ({
    id: `ins_${number}`,
    sandboxId: "box",
    url: `http://127.0.0.1:${9000 + number}`,
    number,
    weight,
    draining: false,
    tripped: false,
    place: number,
  }));
  return { ...SOME_SANDBOX, instances, ...more };
}

/** One of many callers' requests. */
export function requestOf(caller: number): PickRequest & { bond: null } {
  const principal = { ...SOMEBODY, subject: `caller-${caller}`, tokenId: `tok_${caller}` };
  const address = `10.${caller >> 16}.${(caller >> 8) & 255}.${caller & 255}`;
  return { principal, address, field: (name) => `${name} of ${caller}`, bond: null };
}

/** A board on which each instance is in the state, and has the requests, that stand at its number. */
export function boardOf(inFlight: readonly number[] = [], states: readonly InstanceStateName[] = []): PickBoard {
  return {
    state: ({ number }) => states[number] ?? "unknown",
    inFlight: ({ number }) => inFlight[number] ?? 0,
  };
}

export function situationOf(sandbox: Sandbox, caller: number, board: PickBoard = boardOf()): Situation {
  return { sandbox, request: requestOf(caller), board };
}

/** The same numbers by chance each time (mulberry32), 0 to 1. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How often each instance was given, as a part of all, by number. */
export function sharesOf(picks: readonly Instance[], count: number): number[] {
  return Array.from(
    { length: count },
    (_, number) => picks.filter((one) => one.number === number).length / picks.length,
  );
}
