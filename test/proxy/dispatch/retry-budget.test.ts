import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RetryBudget } from "../../../src/proxy/dispatch/retry-budget.ts";

/** How many of `wanted` repeats to `sandbox` are granted at one moment. */
function spent(budget: RetryBudget, sandbox: object, now: number, wanted = 1_000): number {
  let granted = 0;
  for (let repeat = 0; repeat < wanted; repeat++) if (budget.spend(sandbox, now)) granted += 1;
  return granted;
}

test("whatever fails, no more than a fifth of the calls is repeated, beside a hundred at any time and ten a second", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 2_000, size: "max" }), fc.nat({ max: 50 }), (failures, stepMs) => {
      const budget = new RetryBudget();
      const sandbox = {};
      let repeats = 0;
      for (const [index, failed] of failures.entries()) {
        budget.earn();
        if (failed && budget.spend(sandbox, index * stepMs)) repeats += 1;
        expect(repeats).toBeLessThanOrEqual(100 + 0.2 * (index + 1) + 10 + (index * stepMs) / 100 + 1e-6);
      }
    }),
    { numRuns: 20 },
  );
});

test("a hundred and ten calls that break at once are repeated, and a hundred more when five times as many have gone well", () => {
  const budget = new RetryBudget();
  const sandbox = {};
  expect(spent(budget, sandbox, 0)).toBe(110);
  for (let call = 0; call < 500; call++) budget.earn();
  expect(spent(budget, sandbox, 0)).toBeGreaterThanOrEqual(99);
});

test("a sandbox that breaks everything leaves each of the others ten repeats a second", () => {
  const budget = new RetryBudget();
  const [hostile, other] = [{}, {}];
  expect(spent(budget, hostile, 0)).toBe(110);
  expect(spent(budget, other, 0)).toBe(10);
  expect(spent(budget, other, 500)).toBe(5);
  expect(spent(budget, other, 60_000)).toBe(10);
});
