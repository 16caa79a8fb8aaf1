import * as fc from "fast-check";
import { expect, test } from "vitest";
import { apiKeyPrefix, isApiKey, looksLikeApiKey, newApiKey } from "../../src/auth/api-key-text.ts";

test("a new API key is one, is like no other, and shows only its beginning", () => {
  const keys = Array.from({ length: 1000 }, newApiKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys.every((key) => isApiKey(key) && looksLikeApiKey(key))).toBe(true);
  expect(apiKeyPrefix(keys[0] as string)).toMatch(/^sgw_[0-9A-Za-z]{6}$/);
});

test("every character is as likely as any other", () => {
  const counts = new Map<string, number>();
  const drawn = Array.from({ length: 2000 }, () => newApiKey().slice(4, 44)).join("");
  for (const character of drawn) counts.set(character, (counts.get(character) ?? 0) + 1);
  const expected = drawn.length / 62;
  expect(counts.size).toBe(62);
  // Seven standard deviations: once in ten billion runs.
  for (const count of counts.values()) expect(Math.abs(count - expected)).toBeLessThan(7 * Math.sqrt(expected));
});

test("a key with one character changed, left out or added is none, whichever it is", () => {
  const key = newApiKey();
  fc.assert(
    fc.property(fc.nat(key.length - 1), fc.constantFrom("", "a", "Z", "0", "-", "é", "00"), (at, other) => {
      const changed = key.slice(0, at) + other + key.slice(at + 1);
      fc.pre(changed !== key);
      expect(isApiKey(changed)).toBe(false);
    }),
    { numRuns: 1000 },
  );
});
