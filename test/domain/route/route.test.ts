import { describe, expect, it } from "vitest";
import { parseMethods, parseRouteHost, parseRoutePath, sharedMethod } from "../../../src/domain/route/route.ts";

const refused = expect.objectContaining({ code: "VAL_010" });

describe("a route's path", () => {
  it.each([
    ["/", "/"],
    ["/shop", "/shop"],
    ["/shop/", "/shop"],
    ["/v1/chat.completions", "/v1/chat.completions"],
    ["/apis", "/apis"],
    ["/static", "/static"],
    ["/healthz", "/healthz"],
    ["/~ada/@x,y=z", "/~ada/@x,y=z"],
  ])("%s is taken as %s", (text, path) => {
    expect(parseRoutePath(text)).toBe(path);
  });

  it.each([
    "",
    "shop",
    "//",
    "//shop",
    "/shop//",
    "/a//b",
    "/.",
    "/..",
    "/a/../b",
    "/a/./b",
    "/%61",
    "/a%2fb",
    "/a;b",
    "/a\\b",
    "/a?b",
    "/a#b",
    "/a b",
    "/ä",
    "/a\0b",
    "/*",
    "/a/*",
    `/${"a".repeat(256)}`,
    "/a".repeat(33),
    "/api",
    "/api/",
    "/api/v2/x",
    "/health",
    "/health/x",
    "/s",
    "/s/box",
  ])("%j is refused", (text) => {
    expect(() => parseRoutePath(text)).toThrow(refused);
  });
});

describe("a route's host", () => {
  it.each([
    ["shop.example", "shop.example"],
    ["SHOP.example.", "shop.example"],
    ["localhost", "localhost"],
    ["10.0.0.1", "10.0.0.1"],
  ])("%s is taken as %s", (text, host) => {
    expect(parseRouteHost(text)).toBe(host);
  });

  it.each([
    "",
    ".",
    "a..b",
    "http://a.example",
    "a.example:80",
    "a.example/x",
    "*.example",
    "[::1]",
    "-a",
    "a_b",
    "ä.example",
  ])("%j is refused", (text) => {
    expect(() => parseRouteHost(text)).toThrow(refused);
  });
});

describe("a route's methods", () => {
  it.each([
    ["GET", ["GET"]],
    ["post, get,GET", ["GET", "POST"]],
    ["PROPFIND", ["PROPFIND"]],
    ["", null],
    ["all", null],
  ])("%j are %j", (text, methods) => {
    expect(parseMethods(text)).toEqual(methods);
  });

  it.each(["GTE", "TRACE", "CONNECT", "GET,all", "*"])("%j is refused", (text) => {
    expect(() => parseMethods(text)).toThrow(refused);
  });

  it("are said to be shared by two only where neither would go before the other", () => {
    expect(sharedMethod(null, null)).toBe("all");
    expect(sharedMethod(["GET", "PUT"], ["POST", "PUT"])).toBe("PUT");
    expect(sharedMethod(["GET"], ["POST"])).toBeUndefined();
    expect(sharedMethod(["GET"], null)).toBeUndefined();
    expect(sharedMethod(null, ["GET"])).toBeUndefined();
  });
});
