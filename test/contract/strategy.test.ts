import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { INSTANCE_STATES } from "../../src/domain/instance/state.ts";
import type { Instance } from "../../src/domain/sandbox.ts";
import type { Strategy } from "../../src/proxy/balance/strategy.ts";
import { createStrategies, STRATEGY_NAMES } from "../../src/registry.ts";
import { boardOf, sandboxOf, situationOf } from "../support/balancing.ts";

const most = 12;
const situation = fc.record({
  weights: fc.array(fc.nat({ max: 10 }), { minLength: 1, maxLength: most }),
  usable: fc.array(fc.boolean(), { minLength: most, maxLength: most }),
  caller: fc.nat({ max: 1_000 }),
  states: fc.array(fc.constantFrom(...INSTANCE_STATES), { minLength: most, maxLength: most }),
  inFlight: fc.array(fc.nat({ max: 100 }), { minLength: most, maxLength: most }),
  before: fc.nat({ max: 30 }),
});

describe.each(STRATEGY_NAMES)("the strategy %s", (name) => {
  const strategy = (): Strategy => createStrategies({ LOAD_BALANCER_HASH_KEY: "user" })[name];

  test("gives one of the candidates, whatever their states, loads and weights", () => {
    fc.assert(
      fc.property(situation, ({ weights, usable, caller, states, inFlight, before }) => {
        const picks = strategy();
        const sandbox = sandboxOf(weights);
        const board = boardOf(inFlight, states);
        for (let call = 0; call < before; call++) {
          const instance = picks.pick(sandbox.instances, situationOf(sandbox, call, board));
          picks.observe?.(instance, call);
        }
        const candidates = sandbox.instances.filter((_, index) => usable[index]);
        if (candidates.length === 0) return;
        expect(candidates).toContain(picks.pick(candidates, situationOf(sandbox, caller, board)));
      }),
    );
  });

  test("gives the only candidate", () => {
    const sandbox = sandboxOf([1, 1, 1]);
    const [, only] = sandbox.instances as [Instance, Instance];
    const picks = strategy();
    for (let call = 0; call < 5; call++) expect(picks.pick([only], situationOf(sandbox, call))).toBe(only);
  });

  test("never gives an instance that the sandbox has no more", () => {
    const picks = strategy();
    const before = sandboxOf([1, 1, 1]);
    for (let call = 0; call < 10; call++) picks.pick(before.instances, situationOf(before, call));
    const after = sandboxOf([1, 1]);
    for (let call = 0; call < 10; call++) {
      expect(after.instances).toContain(picks.pick(after.instances, situationOf(after, call)));
    }
  });

  /** 10,000 calls by as many callers, of which `atOnce` are in flight and end in the order they came. */
  const sharesUnder = (weights: readonly number[], atOnce: number): number[] => {
    const picks = strategy();
    const sandbox = sandboxOf(weights);
    const loads = weights.map(() => 0);
    const inFlight: Instance[] = [];
    const counts = weights.map(() => 0);
    for (let caller = 0; caller < 10_000; caller++) {
      const ended = inFlight.length === atOnce ? inFlight.shift() : undefined;
      if (ended !== undefined) loads[ended.number] = (loads[ended.number] as number) - 1;
      const instance = picks.pick(sandbox.instances, situationOf(sandbox, caller, boardOf(loads)));
      loads[instance.number] = (loads[instance.number] as number) + 1;
      counts[instance.number] = (counts[instance.number] as number) + 1;
      inFlight.push(instance);
    }
    return counts.map((count) => count / 10_000);
  };

  test.each([[[1, 1, 1, 1]], [[5, 1, 1]], [[1, 2, 3, 4]], [[3, 0, 1]], [[0, 0]], [[100, 300, 600]]])(
    "gives of ten thousand calls what the weights %j say, within 2 %%",
    (weights) => {
      const all = weights.reduce((sum, weight) => sum + weight, 0);
      const expected = weights.map((weight) => (all === 0 ? 1 / weights.length : weight / all));
      const off = sharesUnder(weights, 100).map((share, number) => Math.abs(share - (expected[number] as number)));
      expect(Math.max(...off)).toBeLessThan(0.02);
    },
  );

  test("leaves none idle, and gives none more than the others, when there is nothing else to do", () => {
    const off = sharesUnder([2, 2, 2, 2, 2], 1).map((share) => Math.abs(share - 0.2));
    expect(Math.max(...off)).toBeLessThan(0.02);
  });
});
