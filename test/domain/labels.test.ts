import { assert, dictionary, property, stringMatching } from "fast-check";
import { expect, test } from "vitest";
import { formatLabels, parseLabels } from "../../src/domain/labels.ts";

test("labels are pairs between commas, in any order and with any space around", () => {
  const labels = parseLabels(" tier = gpu , language=python,empty=");
  expect(labels).toEqual({ tier: "gpu", language: "python", empty: "" });
  expect(formatLabels(labels)).toBe("empty=,language=python,tier=gpu");
});

test.each([
  "",
  "language",
  "=python",
  "language=python,",
  "-a=b",
  "a=b=c",
  "a=b c",
  "a=b\r\nc",
  `${"a".repeat(64)}=b`,
  "a=b,a=c",
])("%j are no labels", (text) => {
  expect(() => parseLabels(text)).toThrow(expect.objectContaining({ code: "VAL_010" }));
});

function manyLabels(count: number): string {
  return Array.from({ length: count }, (_, index) => `n${index}=v`).join(",");
}

test("a sandbox has at most 64 labels", () => {
  expect(Object.keys(parseLabels(manyLabels(64)))).toHaveLength(64);
  expect(() => parseLabels(manyLabels(65))).toThrow(expect.objectContaining({ code: "VAL_010" }));
});

test("__proto__ is no name, and constructor one like any other", () => {
  expect(() => parseLabels("__proto__=x")).toThrow(expect.objectContaining({ code: "VAL_010" }));
  expect(parseLabels("constructor=x")).toEqual({ constructor: "x" });
});

test("what is written is read again", () => {
  const word = stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?$/);
  assert(
    property(dictionary(word, word, { minKeys: 1, maxKeys: 10, noNullPrototype: true }), (some) => {
      expect(parseLabels(formatLabels(some))).toEqual(some);
    }),
  );
});
