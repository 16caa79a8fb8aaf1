import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isTooDeep, MAX_JSON_DEPTH } from "../../src/domain/json-depth.ts";

const nested = (depth: number): Buffer => Buffer.from(`${'[{"a":'.repeat(depth / 2)}1${"}]".repeat(depth / 2)}`);

test("a document of the greatest depth passes, a deeper one does not", () => {
  expect(isTooDeep(nested(MAX_JSON_DEPTH))).toBe(false);
  expect(isTooDeep(nested(MAX_JSON_DEPTH + 2))).toBe(true);
});

test("brackets side by side, and brackets in strings, are no depth", () => {
  expect(isTooDeep(Buffer.from(`[${"[],{},".repeat(1_000)}0]`))).toBe(false);
  expect(isTooDeep(Buffer.from(JSON.stringify('\\"[{'.repeat(1_000))))).toBe(false);
});

test("a bracket behind an escaped quote is still in the string, one behind an escaped backslash is not", () => {
  expect(isTooDeep(Buffer.from(`"\\"${"[".repeat(100)}"`))).toBe(false);
  expect(isTooDeep(Buffer.from(`"\\\\"${"[".repeat(100)}`))).toBe(true);
});

test("it agrees with the depth of any document", () => {
  const depthOf = (value: unknown): number =>
    typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 57, max: 64 }), (value, around) => {
      const text = `${"[".repeat(around)}${JSON.stringify(value)}${"]".repeat(around)}`;
      expect(isTooDeep(Buffer.from(text))).toBe(around + depthOf(value) > MAX_JSON_DEPTH);
    }),
  );
});
