import { describe, expect, test } from "vitest";
import { FROM_CLIENT, FROM_SANDBOX, matcherOf } from "../../../src/domain/fields/dropped-fields.ts";

describe.each([
  ["clients", FROM_CLIENT],
  ["sandboxes", FROM_SANDBOX],
])("the fields never taken from %s", (_whom, dropped) => {
  test("are each named once, in lower case, with a reason", () => {
    const names = dropped.flatMap((group) => group.names);
    expect(names.filter((name) => !/^[a-z][a-z0-9-]*\*?$/.test(name))).toEqual([]);
    expect(names).toEqual([...new Set(names)]);
    expect(dropped.filter(({ because }) => because === "")).toEqual([]);
  });

  test("match by their whole name, or by the beginning of a family", () => {
    const matches = matcherOf(dropped);
    for (const name of dropped.flatMap((group) => group.names)) {
      const family = name.endsWith("*");
      const stem = name.replace("*", "");
      expect(matches(`${stem}${family ? "x" : ""}`)).toBe(true);
      expect(matches(`p${stem}`)).toBe(false);
    }
  });
});

test("a name among those that are dropped one by one says nothing about longer ones", () => {
  const matches = matcherOf([{ because: "a test", names: ["one", "family-*"] }]);
  expect(["one", "family-", "family-x"].map(matches)).toEqual([true, true, true]);
  expect(["one-more", "on", "family", "a-family-x", ""].map(matches)).toEqual([false, false, false, false, false]);
  const alone = matcherOf([{ because: "a test", names: ["one"] }]);
  expect(["one", "two", ""].map(alone)).toEqual([true, false, false]);
});
