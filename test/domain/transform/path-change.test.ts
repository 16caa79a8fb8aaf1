import { array, assert, constantFrom, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import type { GatewayError } from "../../../src/errors.ts";
import { parsePathChange } from "../../../src/domain/transform/path-change.ts";
import { Place } from "../../../src/domain/transform/place.ts";
import { REQUEST_VARIABLES } from "../../../src/domain/transform/template.ts";

const changed = (document: unknown, path: string, principal = "bob") =>
  parsePathChange(new Place("", document), REQUEST_VARIABLES)(path, { principal });

describe("a prefix", () => {
  test.each([
    ["/api", "/v2", "/api", "/v2"],
    ["/api", "/v2", "/api/", "/v2/"],
    ["/api", "/v2", "/api/a/b", "/v2/a/b"],
    ["/api", "/v2", "/apiary", "/apiary"],
    ["/api", "/", "/api/a", "/a"],
    ["/api", "/", "/api", "/"],
    ["/api", "/", "/api//a", "//a"],
    ["/api/", "/v2", "/api/a", "/v2/a"],
    ["/api/", "/v2/", "/api/", "/v2/"],
    ["/api/", "/v2", "/api", "/api"],
    ["/", "/base", "/a", "/base/a"],
    ["/", "/base/", "/", "/base/"],
    ["/a", "/u/${principal}", "/a/%2F", "/u/bob/%2F"],
  ])("%s to %s makes of %s %s", (prefix, to, path, expected) => {
    expect(changed({ prefix, to }, path)).toBe(expected);
  });
});

describe("a pattern", () => {
  test.each([
    ["/users/{id}", "/u/{id}", "/users/7", "/u/7"],
    ["/users/{id}", "/u/{id}", "/users/7/", "/users/7/"],
    ["/users/{id}", "/u/{id}", "/users/", "/users/"],
    ["/users/{id}", "/u/{id}", "/users/a%2Fb", "/u/a%2Fb"],
    ["/{a}/{b}/*", "/{b}/{a}/{*}", "/1/2/3/4//", "/2/1/3/4//"],
    ["/{a}/{b}/*", "/{b}-{a}.{*}", "/1/2/", "/2-1."],
    ["/{a}/*", "/{*}", "/1", "/1"],
    ["/*", "/x/{*}", "/", "/x/"],
    ["/*", "/x/{*}", "/a/b", "/x/a/b"],
    ["/", "/home", "/", "/home"],
    ["/me/*", "/users/${principal}/{*}", "/me/files", "/users/bob/files"],
    ["/q/{principal}", "/${principal}/{principal}", "/q/x", "/bob/x"],
  ])("%s to %s makes of %s %s", (pattern, to, path, expected) => {
    expect(changed({ pattern, to }, path)).toBe(expected);
  });
});

test("the first rule that is for a path holds", () => {
  const rules = [
    { prefix: "/a/b", to: "/1" },
    { prefix: "/a", to: "/2" },
  ];
  expect(["/a/b/c", "/a/c", "/c"].map((path) => changed(rules, path))).toEqual(["/1/c", "/2/c", "/c"]);
});

test.each([
  [{ prefix: "/api", to: "/" }, "/api/../a", "bob"],
  [{ prefix: "/a", to: "/${principal}" }, "/a/b", ".."],
  [{ pattern: "/x/*", to: "/{*}" }, "/x/%2e%2E", "bob"],
  [{ pattern: "/{a}/{b}", to: "/{a}{b}" }, "/%2e/%2e", "bob"],
])("what would become a dot segment is refused: %j %s", (rule, path, principal) => {
  expect(() => changed(rule, path, principal)).toThrow(expect.objectContaining({ code: "VAL_012" }));
});

test("whatever the path and the variables are, what comes of it is a path, or is refused", () => {
  const rules = [
    { prefix: "/p", to: "/${principal}/x" },
    { pattern: "/{a}/{b}/*", to: "/{b}/${principal}{a}/{*}" },
  ];
  const before = array(constantFrom("/", "p", ".", "a", "%2e", "%2F", "~", ";", ":", "@")).map(
    (parts) => `/${parts.join("")}`,
  );
  assert(
    property(before, string({ unit: "binary" }), (path, principal) => {
      const after = attempt(() => changed(rules, path, principal));
      expect(after).toMatch(/^(?:\/[!-~]*|VAL_012)$/);
      expect(after === path || !/[?#\\]|\/(?:\.|%2e){1,2}(?:\/|$)/i.test(after)).toBe(true);
    }),
  );
});

function attempt(change: () => string): string {
  try {
    return change();
  } catch (error) {
    return (error as GatewayError).code;
  }
}

test("a long path is decided on in one pass", () => {
  const rule = { pattern: "/{a}/*", to: "/{*}" };
  const path = `/${"a/".repeat(8000)}`;
  const startedAt = performance.now();
  changed(rule, path);
  expect(performance.now() - startedAt).toBeLessThan(50);
});
