import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchesPattern, maySee, type Principal } from "../../src/domain/principal.ts";
import { SOMEBODY } from "../support/principal.ts";

const principal = (sandboxes: readonly string[] | null): Principal => ({ ...SOMEBODY, sandboxes });

const textOf = (...characters: string[]) => fc.string({ unit: fc.constantFrom(...characters), maxLength: 10 });

describe("a pattern", () => {
  test.each([
    ["py", "py", true],
    ["py", "py-1", false],
    ["py-*", "py-", true],
    ["py-*", "py-1", true],
    ["py-*", "my-py-1", false],
    ["*-py", "my-py", true],
    ["*-py", "my-py-1", false],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["a*b*c", "aXbYc", true],
    ["a*b*c", "aXcYb", false],
    ["*", "", true],
    ["*", "anything", true],
    ["**", "x", true],
    ["", "", true],
    ["", "x", false],
    ["p.", "py", false],
    ["p?", "py", false],
    ["[p]y", "py", false],
    ["PY", "py", false],
  ])("%j against %j: %j", (pattern, name, matches) => {
    expect(matchesPattern(pattern, name)).toBe(matches);
  });

  test("matches as the regular expression does in which only * is special", () => {
    fc.assert(
      fc.property(textOf("a", "b", ".", "*"), textOf("a", "b", "."), (pattern, name) => {
        const expression = new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
        expect(matchesPattern(pattern, name)).toBe(expression.test(name));
      }),
      { numRuns: 2000 },
    );
  });

  test("made to be slow is not", () => {
    const startedAt = performance.now();
    expect(matchesPattern(`${"a*".repeat(100)}b`, "a".repeat(5000))).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(100);
  });
});

describe("a principal", () => {
  test("sees everything when its token is not narrowed, nothing when it is narrowed to nothing", () => {
    expect(maySee(principal(null), "box")).toBe(true);
    expect(maySee(principal([]), "box")).toBe(false);
  });

  test("sees what any of its patterns names", () => {
    const narrowed = principal(["py-*", "demo"]);
    expect(["py-1", "demo", "demo-1", "js-1"].map((id) => maySee(narrowed, id))).toEqual([true, true, false, false]);
  });
});
