import { expect, test } from "vitest";
import { isRole, ROLES, roleAllows } from "../../src/domain/role.ts";

test.each([...ROLES])("%s is a role", (role) => {
  expect(isRole(role)).toBe(true);
});

test.each(["", "Admin", "root", "toString", "__proto__", undefined, null, 0, ["admin"], {}])(
  "%j is no role",
  (value) => {
    expect(isRole(value)).toBe(false);
  },
);

test("each role may do all that the next lower one may", () => {
  const permissions = [
    "sandbox:execute",
    "sandbox:proxy",
    "sandbox:read",
    "sandbox:write",
    "token:write",
    "audit:read",
  ] as const;
  const counts = ROLES.map((role) => permissions.filter((permission) => roleAllows(role, permission)));
  for (const [index, lower] of counts.slice(1).entries()) expect(counts[index]).toEqual(expect.arrayContaining(lower));
  expect(counts.map(({ length }) => length)).toEqual([6, 5, 3, 1]);
});
