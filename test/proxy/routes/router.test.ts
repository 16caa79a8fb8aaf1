import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { snapshotFrom } from "../../../src/domain/snapshot/snapshot.ts";
import { Standing } from "../../../src/auth/standing.ts";
import { NO_STATE } from "../../support/snapshot.ts";
import type { Head } from "../../../src/proxy/request/head.ts";
import { HEALTH_PAGES, JWKS_PAGE, openPage as openPageOf, route as routeOf } from "../../../src/proxy/routes/router.ts";
import { SOMEBODY } from "../../support/principal.ts";

function head(target: string, sandboxId?: string, host = "x", sandboxPort?: string, sandboxSelector?: string): Head {
  return {
    target,
    sandboxId,
    sandboxPort,
    sandboxSelector,
    idempotencyKey: undefined,
    requestTimeout: undefined,
    host,
    authorization: undefined,
    cookie: undefined,
    link: undefined,
    ticket: undefined,
    pass: undefined,
    sandboxToken: undefined,
    contentType: undefined,
    forwardedFor: undefined,
    forwardedProto: undefined,
    bodyLength: 0,
    connectionNames: null,
    expectsContinue: false,
    certificate: undefined,
    underscored: null,
  };
}

const NOTHING = snapshotFrom(NO_STATE);
const NO_ROUTES = NOTHING.routes;
const CALLER = new Standing(SOMEBODY);
const route = (method: string, of: Head) => routeOf(method, of, ".gw.example", NOTHING, CALLER);
const openPage = (method: string, of: Head) => openPageOf(method, of, ".gw.example", NO_ROUTES);
const proxy = (sandboxId: string, path: string, mount = `/s/${sandboxId}`, port: number | null = null) => ({
  kind: "proxy",
  sandboxId,
  path,
  mount,
  port,
  route: null,
});
const code = (expected: string) => expect.objectContaining({ code: expected });

describe("a path under /s/", () => {
  test.each([
    ["/s/box", "box", "/"],
    ["/s/box/", "box", "/"],
    ["/s/box?q", "box", "/?q"],
    ["/s/box/?q", "box", "/?q"],
    ["/s/box?/s/other/", "box", "/?/s/other/"],
    ["/s/box/a%2Fb%00", "box", "/a%2Fb%00"],
    ["/s/box//a", "box", "//a"],
    ["/s/box/s/other/", "box", "/s/other/"],
    ["/s/box/?a=/../", "box", "/?a=/../"],
    ["/s/box/..a/.b./...", "box", "/..a/.b./..."],
    ["/s/A.b-c_9/x", "A.b-c_9", "/x"],
  ])("%s goes to a sandbox, byte for byte", (target, sandboxId, path) => {
    expect(route("GET", head(target))).toEqual(proxy(sandboxId, path));
  });

  test.each([
    "/s/",
    "/s//",
    "/s//box",
    "/s/?x",
    "/s/b%6fx/",
    "/s/box;x/",
    "/s/-box/",
    "/s/_/",
    `/s/${"a".repeat(64)}/`,
  ])("%s names no possible sandbox", (target) => {
    expect(() => route("GET", head(target))).toThrow(code("ROUTE_001"));
  });

  test.each([
    "/s/..",
    "/s/../admin",
    "/s/./box",
    "/s/box/..",
    "/s/box/../other/",
    "/s/box/a/../..",
    "/s/box/%2e%2e/other",
    "/s/box/.%2E/other",
    "/s/box/%2e",
    "/s/box/./",
    "/s/box/..?q",
  ])("%s could mean another one", (target) => {
    expect(() => route("GET", head(target))).toThrow(code("VAL_001"));
  });

  test("never reaches a sandbox that a decoder would not find in the same place", () => {
    const piece = fc.constantFrom(
      "..",
      ".",
      "%2e",
      "%2E",
      "%2f",
      "%5c",
      "/",
      "//",
      "s",
      "box",
      "other",
      "a",
      ";",
      "?",
      "%00",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const target = `/s/box/${pieces.join("")}`;
        let found: ReturnType<typeof route>;
        try {
          found = route("GET", head(target));
        } catch {
          return;
        }
        expect(found).toEqual(proxy("box", target.slice("/s/box".length)));
        expect(new URL(target, "http://x").pathname).toMatch(/^\/s\/box(?:\/|$)/);
      }),
    );
  });
});

describe("a request with a sandbox in its header", () => {
  test.each(["/", "/s", "/api/v1/other", "/healthz", "/a/../b?c", "*"])("%s goes there whole", (target) => {
    expect(route("POST", head(target, "box"))).toEqual(proxy("box", target, ""));
    expect(openPage("GET", head(target, "box"))).toBeUndefined();
  });

  test("may say the same in its path: that counts, and is no part of the sandbox's own", () => {
    expect(route("GET", head("/s/box/a?b", "box"))).toEqual(proxy("box", "/a?b"));
    expect(route("GET", head("/s/box", "box"))).toEqual(proxy("box", "/"));
  });

  test.each([
    ["/s/other/", "box"],
    ["/s/box/", "other"],
    ["/s/box/", "Box"],
    ["/s/box/", ""],
    ["/s/box/s/other/", "other"],
    ["/api/v1/sandbox/execute", "box"],
    ["/api/v1/sandbox/execute?x", "box"],
    ["/api/v1/sandboxes", "box"],
    ["/api/v1/sandboxes", ""],
  ])("%s beside %j is refused: nobody can tell which was meant", (target, sandboxId) => {
    for (const method of ["GET", "POST"])
      expect(() => route(method, head(target, sandboxId))).toThrow(code("ROUTE_008"));
  });

  test.each(HEALTH_PAGES)("%s is refused", (page) => {
    for (const target of [page, `${page}?x`]) {
      expect(() => openPage("GET", head(target, "box"))).toThrow(code("ROUTE_008"));
    }
  });

  test.each(["", " ", "a b", "../x", "box,other", "b\xf6x"])("%j is no possible one", (sandboxId) => {
    expect(() => route("GET", head("/", sandboxId))).toThrow(code("ROUTE_001"));
  });
});

describe("the gateway's own pages", () => {
  test("are found by their exact path, with any query", () => {
    expect(route("POST", head("/api/v1/sandbox/execute?x"))).toEqual({ kind: "execute" });
    expect(route("GET", head("/api/v1/sandboxes"))).toEqual({ kind: "sandboxes" });
    expect(route("HEAD", head("/api/v1/sandboxes"))).toEqual({ kind: "sandboxes" });
    for (const page of [...HEALTH_PAGES, JWKS_PAGE]) expect(openPage("GET", head(`${page}?x`))).toBe(page);
  });

  test.each([
    "/",
    "/s",
    "/api/v1/sandbox/execute/",
    "/API/v1/sandboxes",
    "//health",
    "/healthz",
    "/health/",
    "/health/none",
    "/.well-known/jwks.json/",
    "/.well-known/openid-configuration",
  ])("%s is none of them", (target) => {
    expect(route("GET", head(target))).toEqual({ kind: "none" });
    expect(openPage("GET", head(target))).toBeUndefined();
  });

  test.each([
    ["GET", "/api/v1/sandbox/execute", "POST"],
    ["PUT", "/api/v1/sandbox/execute", "POST"],
    ["POST", "/api/v1/sandboxes", "GET, HEAD"],
  ])("%s %s is refused with what is allowed", (method, target, allow) => {
    const refusal = expect.objectContaining({ code: "ROUTE_003", headers: { allow } });
    expect(() => route(method, head(target))).toThrow(refusal);
  });

  test("of health take GET and HEAD only", () => {
    const refusal = expect.objectContaining({ code: "ROUTE_003", headers: { allow: "GET, HEAD" } });
    expect(openPage("HEAD", head("/health/auth"))).toBe("/health/auth");
    expect(() => openPage("POST", head("/health"))).toThrow(refusal);
  });
});

describe("a sandbox's own host", () => {
  test.each([
    ["box.gw.example", "/", "box"],
    ["BOX.Gw.Example:8080", "/a//b%2F?q", "box"],
    ["box.gw.example.", "/s/other/", "box"],
    ["my-box-2.gw.example", "/health", "my-box-2"],
    ["box.gw.example", "/.well-known/jwks.json", "box"],
    ["box.gw.example", "/api/v1/sandbox/execute", "box"],
  ])("%s %s is all the sandbox's", (host, target, sandboxId) => {
    expect(route("GET", head(target, undefined, host))).toEqual(proxy(sandboxId, target, ""));
    expect(openPage("GET", head(target, undefined, host))).toBeUndefined();
  });

  test.each([
    "a.b.gw.example",
    ".gw.example",
    "8080-.gw.example",
    "8080--box.gw.example",
    "8080-9090-box.gw.example",
    "bo_x.gw.example",
    "-box.gw.example",
    `${"a".repeat(64)}.gw.example`,
  ])("%s is nobody's", (host) => {
    expect(() => route("GET", head("/", undefined, host))).toThrow(code("ROUTE_001"));
  });

  test.each(["gw.example", "boxgw.example", "gw.example.box", "box.gw.example.evil.org", "[::1]:8080", ""])(
    "%s is not one: paths mean what they always do",
    (host) => {
      expect(route("GET", head("/s/box/", undefined, host))).toEqual(proxy("box", "/"));
      expect(openPage("GET", head("/health", undefined, host))).toBe("/health");
    },
  );

  test("and X-Sandbox-Id must agree", () => {
    expect(route("GET", head("/", "box", "box.gw.example"))).toEqual(proxy("box", "/", ""));
    expect(() => route("GET", head("/", "other", "box.gw.example"))).toThrow(code("ROUTE_008"));
  });

  test("is none without a domain", () => {
    expect(routeOf("GET", head("/s/box/", undefined, "other.gw.example"), "", NOTHING, CALLER)).toEqual(
      proxy("box", "/"),
    );
  });
});

/** In no place is any of these a port: two readers could take it for two, or for none. */
const NO_PORTS = [
  "",
  "0",
  "00",
  "080",
  "00080",
  "65536",
  "99999",
  "655360",
  "1e3",
  "0x50",
  "8080 ",
  "+80",
  "-80",
  "80.",
  "8_0",
  "%38080",
  "80:80",
  "\uff18\u0660",
  "8".repeat(4000),
];

describe("a sandbox's other port", () => {
  test.each([
    ["/s/box:8080", "/", 8080],
    ["/s/box:8080/a?b=:1", "/a?b=:1", 8080],
    ["/s/box:1/:2/", "/:2/", 1],
    ["/s/box:65535?x", "/?x", 65535],
  ])("%s is its own: the prefix has the port in it", (target, path, port) => {
    expect(route("GET", head(target))).toEqual(proxy("box", path, `/s/box:${port}`, port));
  });

  test.each([
    ["8080-box.gw.example", "box", 8080],
    ["1-box.GW.example:443", "box", 1],
    ["65535-my-box-2.gw.example.", "my-box-2", 65535],
    ["80-123456-box.gw.example", "123456-box", 80],
  ])("%s is an origin of its own", (host, sandboxId, port) => {
    expect(route("GET", head("/s/other:1/", undefined, host))).toEqual(proxy(sandboxId, "/s/other:1/", "", port));
    expect(openPage("GET", head("/health", undefined, host))).toBeUndefined();
  });

  test("X-Sandbox-Port names one beside X-Sandbox-Id", () => {
    expect(route("GET", head("/a", "box", "x", "8080"))).toEqual(proxy("box", "/a", "", 8080));
  });

  test.each(NO_PORTS)("%j is none", (port) => {
    expect(() => route("GET", head(`/s/box:${port}/`))).toThrow(code("ROUTE_009"));
    expect(() => route("GET", head("/", "box", "x", port))).toThrow(code("ROUTE_009"));
    expect(() => route("GET", head("/s/box/", "box", "x", port))).toThrow(code("ROUTE_008"));
    expect(() => route("GET", head("/s/box:80/", "box", "x", port))).toThrow(code("ROUTE_008"));
  });

  test.each(["0", "00", "080", "65536", "99999"])("%s is none before a sandbox's host either", (port) => {
    expect(() => route("GET", head("/", undefined, `${port}-box.gw.example`))).toThrow(code("ROUTE_009"));
  });

  test("may be said twice, the same each time", () => {
    const byPath = proxy("box", "/", "/s/box:80", 80);
    expect(route("GET", head("/s/box:80/", undefined, "x", "80"))).toEqual(byPath);
    expect(route("GET", head("/s/box:80/", "box", "x", "80"))).toEqual(byPath);
    expect(route("GET", head("/s/box:80/", "box"))).toEqual(byPath);
    expect(route("GET", head("/", "box", "80-box.gw.example", "80"))).toEqual(proxy("box", "/", "", 80));
  });

  test.each([
    ["/s/box:80/", undefined, "x", "81"],
    ["/s/box:80/", "other", "x", "80"],
    ["/s/box:80/", "box:80", "x", undefined],
    ["/", undefined, "80-box.gw.example", "81"],
    ["/", "80-box", "80-box.gw.example", undefined],
    ["/", "other", "80-box.gw.example", "80"],
    ["/a", undefined, "x", "80"],
    ["/api/v1/sandbox/execute", undefined, "x", "80"],
    ["/api/v1/sandboxes", undefined, "x", "80"],
  ])("%s with id %s at %s and port %s is two destinations", (target, sandboxId, host, port) => {
    expect(() => route("POST", head(target, sandboxId, host, port))).toThrow(code("ROUTE_008"));
  });

  test.each([
    ["/s/box/", "x"],
    ["/", "box.gw.example"],
  ])("%s at %s is the own port of its instances: a field cannot name another", (target, host) => {
    expect(() => route("GET", head(target, "box", host, "80"))).toThrow(code("ROUTE_008"));
  });

  test.each(HEALTH_PAGES)("%s has none", (page) => {
    expect(() => openPage("GET", head(page, undefined, "x", "80"))).toThrow(code("ROUTE_008"));
  });

  test("is none of an impossible sandbox", () => {
    for (const target of ["/s/:80/", "/s/-:80/", "/s/a:b:80/"]) {
      expect(() => route("GET", head(target))).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ROUTE_00[19]$/) }),
      );
    }
  });
});

const selecting = (target: string, selector: string, port?: string) =>
  route("GET", head(target, undefined, "x", port, selector));

describe("a selector", () => {
  test("is a route of its own, with a port or without", () => {
    const labels = { a: "1", b: "" };
    expect(selecting("/x?y", "a=1,b=")).toEqual({ kind: "select", labels, path: "/x?y", port: null });
    expect(selecting("*", "a=1,b=", "80")).toEqual({ kind: "select", labels, path: "*", port: 80 });
  });

  test("with an impossible port is none", () => {
    for (const port of ["0", "080", ""]) expect(() => selecting("/", "a=1", port)).toThrow(code("ROUTE_009"));
  });
});
