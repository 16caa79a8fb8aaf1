import { array, assert, constant, constantFrom, property, record, string, tuple } from "fast-check";
import { expect, test } from "vitest";
import { inField, parseFieldChange } from "../../../src/domain/transform/field-changes.ts";
import { Place } from "../../../src/domain/transform/place.ts";
import { REQUEST_VARIABLES, type Variables } from "../../../src/domain/transform/template.ts";

const variables = { principal: "bob", role: "executor", request_id: "req_1" };
const changed = (document: unknown, fields: string[], known: Variables = variables) =>
  parseFieldChange(new Place("", document), "request", REQUEST_VARIABLES)(fields, known);

test("fields are removed, renamed, set and added, in this order", () => {
  const document = {
    remove: ["X-Gone"],
    rename: { "x-old": "X-New" },
    set: { "x-user": "user ${principal}!", "x-plain": "$${principal} costs $5" },
    add: { "x-tag": ["a", "${role}"] },
  };
  expect(changed(document, ["x-gone", "1", "x-old", "2", "x-user", "mallory", "x-tag", "0", "accept", "*/*"])).toEqual([
    "x-new",
    "2",
    "x-tag",
    "0",
    "accept",
    "*/*",
    "x-user",
    "user bob!",
    "x-plain",
    "${principal} costs $5",
    "x-tag",
    "a",
    "x-tag",
    "executor",
  ]);
});

test("every one of a name that came several times is meant", () => {
  expect(changed({ remove: "a" }, ["a", "1", "b", "2", "a", "3"])).toEqual(["b", "2"]);
  expect(changed({ rename: { a: "c" } }, ["a", "1", "b", "2", "a", "3"])).toEqual(["c", "1", "b", "2", "c", "3"]);
});

test("a field that is set or removed does not come by its twin with underscores either", () => {
  const document = { set: { "x-user": "${principal}" }, remove: ["x-admin"] };
  expect(changed(document, ["x_user", "mallory", "x_admin", "yes", "x_other", "1"])).toEqual([
    "x_other",
    "1",
    "x-user",
    "bob",
  ]);
});

test("what is renamed takes the place of what came by that name; without it that stays", () => {
  const document = { rename: { "x-a": "x-b" } };
  expect(changed(document, ["x-b", "direct", "x_b", "twin", "x-a", "renamed"])).toEqual(["x-b", "renamed"]);
  expect(changed(document, ["x-b", "direct"])).toEqual(["x-b", "direct"]);
});

test("whatever a variable's value is, it is visible ASCII in a field, and no two are alike", () => {
  expect(inField("bob@example.org")).toBe("bob@example.org");
  expect(inField("Bob B\r\nx-admin: 1\0é☃%0A")).toBe("Bob%20B%0D%0Ax-admin:%201%00%C3%A9%E2%98%83%250A");
  assert(
    property(string({ unit: "binary" }), (value) => {
      const text = inField(value);
      expect(text).toMatch(/^[!-~]*$/);
      expect(decodeURIComponent(text)).toBe(value.toWellFormed());
    }),
  );
});

test("no request and no variable makes a field more, or another one, than the document says", () => {
  const names = constantFrom("a", "b", "x-user", "x_user", "cookie", "x-request-id", "x-sandbox-id", "host");
  const field = tuple(names, string({ unit: constantFrom("a", "b", ",", " ", ";", "=") }));
  const values = record({ principal: string({ unit: "binary" }), role: constant("executor") });
  const document = { remove: ["b"], rename: { a: "c" }, set: { "x-user": "${principal}" }, add: { d: "${role}" } };
  assert(
    property(array(field), values, (sent, known) => {
      const after = changed(document, sent.flat(), known);
      expect(after.length % 2).toBe(0);
      const pairs = Array.from({ length: after.length / 2 }, (_, index) => [after[2 * index], after[2 * index + 1]]);
      const untouched = new Set(["cookie", "x-request-id", "x-sandbox-id", "host"]);
      expect(pairs.filter(([name]) => untouched.has(name as string))).toEqual(
        sent.filter(([name]) => untouched.has(name)),
      );
      expect(pairs.filter(([name]) => name?.replace("_", "-") === "x-user")).toEqual([
        ["x-user", inField(known.principal)],
      ]);
      expect(after.join("")).not.toMatch(/[\r\n\0]/);
    }),
  );
});
