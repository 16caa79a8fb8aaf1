import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RetryBudget } from "../../../src/proxy/dispatch/retry-budget.ts";

test("whatever fails, no more than a fifth of the calls is repeated, beside a hundred that may be at any time", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 2_000, size: "max" }), (failures) => {
      const budget = new RetryBudget();
      let repeats = 0;
      for (const [index, failed] of failures.entries()) {
        budget.earn();
        if (failed && budget.spend()) repeats += 1;
        expect(repeats).toBeLessThanOrEqual(100 + 0.2 * (index + 1));
      }
    }),
    { numRuns: 20 },
  );
});

test("a hundred calls that break at once are all repeated, and a hundred more when as many have gone well five times", () => {
  const budget = new RetryBudget();
  const repeated = (): number => Array.from({ length: 150 }, () => budget.spend()).filter(Boolean).length;
  expect(repeated()).toBe(100);
  for (let call = 0; call < 10_000; call++) budget.earn();
  expect(repeated()).toBe(100);
});
