import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { INSTANCE_STATES, type InstanceStateName } from "../../src/domain/instance-state.ts";
import type { Instance, Sandbox } from "../../src/domain/sandbox.ts";
import type { PickBoard, PickRequest, Strategy } from "../../src/proxy/balance/strategy.ts";
import { createStrategies, STRATEGY_NAMES } from "../../src/registry.ts";

function sandboxOf(...numbers: number[]): Sandbox {
  const instances = numbers.map((number) => ({
    id: `ins_${number}`,
    sandboxId: "box",
    url: `http://127.0.0.1:${9000 + number}`,
    number,
    weight: 1,
    draining: false,
  }));
  return {
    id: "box",
    runtime: "generic",
    driver: "static",
    strategy: null,
    labels: {},
    settings: {},
    createdAt: 0,
    instances,
  };
}

function requestOf(caller: number): PickRequest {
  const principal = {
    subject: `caller-${caller}`,
    role: "executor",
    tokenId: `tok_${caller}`,
    sandboxes: null,
    operations: null,
    expiresAt: Number.POSITIVE_INFINITY,
  } as const;
  return { principal, address: `10.0.0.${caller % 256}`, field: (name) => `${name} of ${caller}` };
}

/** A board on which each instance is in the state, and has the requests, that stand at its number. */
function boardOf(states: readonly InstanceStateName[] = [], inFlight: readonly number[] = []): PickBoard {
  return {
    state: ({ number }) => states[number] ?? "unknown",
    inFlight: ({ number }) => inFlight[number] ?? 0,
  };
}

const situation = fc.record({
  count: fc.integer({ min: 1, max: 12 }),
  caller: fc.nat({ max: 1_000 }),
  states: fc.array(fc.constantFrom(...INSTANCE_STATES), { minLength: 12, maxLength: 12 }),
  inFlight: fc.array(fc.nat({ max: 100 }), { minLength: 12, maxLength: 12 }),
  before: fc.nat({ max: 30 }),
});

/** Everything a call is given that goes on trying until nothing is left. */
function exhaust(strategy: Strategy, sandbox: Sandbox, request: PickRequest, board: PickBoard): Instance[] {
  const tried: Instance[] = [];
  for (let step = 0; step <= sandbox.instances.length; step++) {
    const picked = strategy.pick(sandbox, request, board, tried);
    if (picked === undefined) return tried;
    tried.push(picked);
  }
  return tried;
}

describe.each(STRATEGY_NAMES)("the strategy %s", (name) => {
  const strategy = (): Strategy => createStrategies()[name];

  test("gives a call that goes on trying each instance once, whatever their states and loads, and then none", () => {
    fc.assert(
      fc.property(situation, ({ count, caller, states, inFlight, before }) => {
        const picks = strategy();
        const sandbox = sandboxOf(...Array.from({ length: count }, (_, number) => number));
        const board = boardOf(states, inFlight);
        for (let call = 0; call < before; call++) picks.pick(sandbox, requestOf(call), board, []);
        const tried = exhaust(picks, sandbox, requestOf(caller), board);
        expect(tried.map(({ id }) => id).toSorted()).toEqual(sandbox.instances.map(({ id }) => id).toSorted());
      }),
    );
  });

  test("finds nothing in a sandbox without instances", () => {
    expect(strategy().pick(sandboxOf(), requestOf(1), boardOf(), [])).toBeUndefined();
  });

  test("finds nothing when the only instance has been tried", () => {
    const sandbox = sandboxOf(1);
    expect(strategy().pick(sandbox, requestOf(1), boardOf(), sandbox.instances)).toBeUndefined();
  });

  test("never gives an instance that the sandbox has no more", () => {
    const picks = strategy();
    const before = sandboxOf(1, 2, 3);
    for (let call = 0; call < 10; call++) picks.pick(before, requestOf(call), boardOf(), []);
    const after = sandboxOf(3, 4);
    for (let call = 0; call < 10; call++) {
      expect(after.instances).toContain(picks.pick(after, requestOf(call), boardOf(), []));
    }
  });

  test("leaves no instance idle when many callers come", () => {
    const picks = strategy();
    const sandbox = sandboxOf(0, 1, 2, 3);
    const taken = Array.from({ length: 400 }, (_, caller) => picks.pick(sandbox, requestOf(caller), boardOf(), [])?.id);
    expect(new Set(taken).size).toBe(4);
  });
});
