import { assert, property, string, webQueryParameters } from "fast-check";
import { expect, test } from "vitest";
import { Place } from "../../../src/domain/transform/place.ts";
import { parseQueryChange } from "../../../src/domain/transform/query-change.ts";
import { REQUEST_VARIABLES } from "../../../src/domain/transform/template.ts";

const changed = (document: unknown, query: string, principal = "bob") =>
  parseQueryChange(new Place("", document), REQUEST_VARIABLES)(query, { principal });

test("parameters are removed, renamed, set and added; what is not named stays byte for byte", () => {
  const document = {
    remove: "debug",
    rename: { q: "query" },
    set: { user: "${principal}" },
    add: { tag: ["a b", "c"] },
  };
  expect(changed(document, "q=%41+b&debug=1&flag&x=%7e&user=mallory&debug&&tag=0")).toBe(
    "query=%41+b&flag&x=%7e&&tag=0&user=bob&tag=a%20b&tag=c",
  );
  expect(changed({ remove: "debug" }, "debug")).toBe("");
});

test.each(["%64ebug=1", "%64%65%62%75%67", "debug=1&debug=2"])("%j is the parameter debug too", (query) => {
  expect(changed({ remove: "debug" }, query)).toBe("");
});

test("a name with a space is found in both spellings", () => {
  expect(changed({ remove: "a b" }, "a+b=1&a%20b=2&ab=3")).toBe("ab=3");
});

test("what is no proper encoding is compared as it is", () => {
  expect(changed({ remove: "%zz" }, "%zz=1&a=%zz")).toBe("a=%zz");
});

test("whatever a variable's value is, it stays the value of its parameter", () => {
  expect(changed({ set: { user: "${principal}" } }, "", "a&admin=1#x\r\n%26")).toBe(
    "user=a%26admin%3D1%23x%0D%0A%2526",
  );
  assert(
    property(string({ unit: "binary" }), webQueryParameters(), (value, query) => {
      const after = changed({ set: { user: "<${principal}>" } }, query, value);
      expect(after).toMatch(/^[!-~]*$/);
      expect(new URLSearchParams(after).getAll("user")).toEqual([`<${value.toWellFormed()}>`]);
    }),
  );
});
