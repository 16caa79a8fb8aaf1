import * as fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "../../../src/proxy/dispatch/backoff.ts";

test("the pauses are at most 25, 50, 100, 200 and then always 250 ms", () => {
  expect([1, 2, 3, 4, 5, 6, 100, 2_000].map((retry) => backoffMs(retry, 1))).toEqual([
    25, 50, 100, 200, 250, 250, 250, 250,
  ]);
});

test("a pause is anywhere between nothing and its most", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.double({ min: 0, max: 1, noNaN: true }), (retry, random) => {
      expect(backoffMs(retry, random)).toBeCloseTo(random * backoffMs(retry, 1));
    }),
  );
  const seen = Array.from({ length: 1_000 }, () => backoffMs(5));
  expect(Math.min(...seen)).toBeLessThan(25);
  expect(Math.max(...seen)).toBeGreaterThan(225);
});
