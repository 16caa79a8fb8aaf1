import { expect, test } from "vitest";
import { within } from "../../src/cli/within.ts";

test("what holds at once is not waited for", async () => {
  expect(await within({ ms: 0, everyMs: 60_000 }, async () => true)).toBe(true);
});

test("it is looked again until it holds", async () => {
  let looks = 0;
  expect(await within({ ms: 60_000, everyMs: 1 }, async () => ++looks === 3)).toBe(true);
  expect(looks).toBe(3);
});

test("what never holds is given up at the end of the time, not before", async () => {
  const startedAt = performance.now();
  let lastLookAt = 0;
  const holds = async (): Promise<boolean> => {
    lastLookAt = performance.now();
    return false;
  };
  expect(await within({ ms: 50, everyMs: 1 }, holds)).toBe(false);
  expect(lastLookAt - startedAt).toBeGreaterThanOrEqual(50);
});

test("what fails to look is not swallowed", async () => {
  await expect(within({ ms: 50, everyMs: 1 }, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
});
