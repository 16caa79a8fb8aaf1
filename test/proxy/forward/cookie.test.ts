import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scopedCookie } from "../../../src/proxy/forward/cookie.ts";

const MOUNT = "/s/box";

describe("behind a path, a cookie", () => {
  test.each([
    ["a=1", "a=1; Path=/s/box/"],
    ["a=1; Path=/", "a=1; Path=/s/box/"],
    ["a=1; Path=/app", "a=1; Path=/s/box/app"],
    ["a=1; path = /app/ ; Secure", "a=1; Secure; Path=/s/box/app/"],
    ["a=1;Path=/s/box/app;HttpOnly", "a=1;HttpOnly; Path=/s/box/app"],
    ["a=1; Path=/s/box", "a=1; Path=/s/box"],
    ["a=1; Path=/s/boxer", "a=1; Path=/s/box/s/boxer"],
    ["a=1; Path=/s/other/", "a=1; Path=/s/box/s/other/"],
    ["a=1; Path=/one; Path=/two", "a=1; Path=/s/box/two"],
    ["a=1; Path=", "a=1; Path=/s/box/"],
    ["a=1; Path", "a=1; Path=/s/box/"],
    ["a=1; Path=app", "a=1; Path=/s/box/"],
    ["a=1; PATH=/; DOMAIN=example.com", "a=1; Path=/s/box/"],
    ["a=1; Domain=.example.com; Max-Age=5; SameSite=Lax", "a=1; Max-Age=5; SameSite=Lax; Path=/s/box/"],
    ["a=Path=/; Secure", "a=Path=/; Secure; Path=/s/box/"],
    ["__Host-a=1; Secure; Path=/", "__Host-a=1; Secure; Path=/s/box/"],
    ["", "; Path=/s/box/"],
  ])("%j holds for the sandbox alone", (value, scoped) => {
    expect(scopedCookie(value, MOUNT)).toBe(scoped);
  });

  test("ends with a path under the sandbox's own, whatever stands before it", () => {
    const piece = fc.constantFrom(
      "Path",
      "path",
      "=",
      "/",
      ";",
      " ",
      "\t",
      "Domain",
      "a",
      "..",
      "/s/other",
      "Secure",
      ",",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const scoped = scopedCookie(`a=1;${pieces.join("")}`, MOUNT) as string;
        // As browsers read it (RFC 6265 section 5.2): the last attribute of a name counts.
        const attributes = scoped.split(";").map((attribute) => attribute.split("=", 1)[0]?.trim().toLowerCase());
        expect(attributes.filter((name) => name === "path")).toHaveLength(1);
        expect(attributes).not.toContain("domain");
        expect(scoped).toMatch(/; Path=\/s\/box(?:\/[^;]*)?$/);
      }),
    );
  });
});

test("a cookie made to be read slowly is not", () => {
  const spaces = " \t".repeat(100_000);
  for (const attribute of [
    `Path${spaces}x`,
    `${spaces}x`,
    `Path=${spaces}x`,
    `${spaces}=${spaces}/`,
    ";".repeat(200_000),
  ]) {
    const began = performance.now();
    scopedCookie(`a=1;${attribute}`, MOUNT);
    expect(performance.now() - began).toBeLessThan(1_000);
  }
  const began = performance.now();
  expect(scopedCookie(`__${"a-".repeat(100_000)}=1`, MOUNT)).toBeDefined();
  expect(performance.now() - began).toBeLessThan(1_000);
});

describe("a cookie", () => {
  test.each([
    "sandboxgw=1",
    "sandboxgw_session=1; Path=/",
    "SandboxGW=1",
    " sandboxgw=1",
    "__Host-sandboxgw=1; Secure; Path=/",
    "__secure-sandboxgw-x=1",
    "__Host-Http-sandboxgw=1",
    "=sandboxgw=1",
    "sandboxgw",
  ])("%j is not a sandbox's to set", (value) => {
    expect(scopedCookie(value, MOUNT)).toBeUndefined();
    expect(scopedCookie(value, "")).toBeUndefined();
  });

  test("of a sandbox that has the whole origin keeps its path, and names no other host", () => {
    expect(scopedCookie("a=1; Path=/app; Domain=example.com; Secure", "")).toBe("a=1; Path=/app; Secure");
  });
});
