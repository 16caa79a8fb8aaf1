import { expect, test } from "vitest";
import { builtInRights } from "../../../src/domain/role/roles.ts";
import { BUILT_IN_NAMES, isRoleName, PERMISSIONS } from "../../../src/domain/role/role.ts";

test.each([...BUILT_IN_NAMES, "ci", "team-a.ci", "0"])("%s can be a role", (name) => {
  expect(isRoleName(name)).toBe(true);
});

test.each(["", "Admin", "toString", "__proto__", "a b", "-a", 'a"', "a".repeat(64), undefined, null, 0, ["admin"], {}])(
  "%j cannot",
  (name) => {
    expect(isRoleName(name)).toBe(false);
  },
);

test("each built-in role may do all that the next lower one may", () => {
  const given = BUILT_IN_NAMES.map((name) => PERMISSIONS.filter((each) => builtInRights(name)?.has(each) === true));
  for (const [index, lower] of given.slice(1).entries()) expect(given[index]).toEqual(expect.arrayContaining(lower));
  expect(given.map(({ length }) => length)).toEqual([PERMISSIONS.length, 8, 3, 1]);
});
