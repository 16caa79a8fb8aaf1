import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mountedLocation } from "../../../src/proxy/forward/location.ts";
import { startTestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

const byPath = {
  mount: "/s/box",
  head: { host: "gateway.example:8080", target: "/s/box/a/b?q" },
  instance: { url: "http://127.0.0.1:9000" },
  port: null,
  alike: false,
  toldHost: null,
};
const byHost = { ...byPath, mount: "" };

describe("behind a path, a location", () => {
  test.each([
    ["/", "/s/box/"],
    ["/login?next=/a#b", "/s/box/login?next=/a#b"],
    ["/a%2Fb//c", "/s/box/a%2Fb//c"],
    ["/s/other/", "/s/box/s/other/"],
    ["/s/boxer", "/s/box/s/boxer"],
    ["/\\elsewhere", "/s/box/\\elsewhere"],
  ])("%s is under the mount", (value, told) => {
    expect(mountedLocation(value, byPath)).toBe(told);
  });

  test.each(["/s/box", "/s/box/", "/s/box/a", "/s/box?q", "/s/box#f"])("%s is there already", (value) => {
    expect(mountedLocation(value, byPath)).toBe(value);
  });

  test.each([
    ["http://127.0.0.1:9000/a?q", "/s/box/a?q"],
    ["HTTP://127.0.0.1:9000", "/s/box/"],
    ["//127.0.0.1:9000/a", "/s/box/a"],
    ["http://127.0.0.1:9000?q", "/s/box/?q"],
    ["http://127.0.0.1:9000/s/box/a", "/s/box/a"],
    ["http://127.0.0.1:9000//elsewhere", "/s/box//elsewhere"],
  ])("%s, the instance's own address, becomes a path", (value, told) => {
    expect(mountedLocation(value, byPath)).toBe(told);
  });

  test.each([
    ["https://gateway.example:8080/a?q", "https://gateway.example:8080/s/box/a?q"],
    ["http://Gateway.Example:8080", "http://Gateway.Example:8080/s/box/"],
    ["//gateway.example:8080/s/box/a", "//gateway.example:8080/s/box/a"],
  ])("%s, which the application made of X-Forwarded-Host, gets the mount", (value, told) => {
    expect(mountedLocation(value, byPath)).toBe(told);
  });

  test.each([
    ["/s/box/../other/", "/s/box/s/other/"],
    ["/../other/?q#f", "/s/box/other/?q#f"],
    ["/%2e%2E/other/", "/s/box/other/"],
    ["/a/../../other/", "/s/box/other/"],
    ["../../other/", "/s/box/other/"],
    ["../../../s/other/", "/s/box/s/other/"],
    ["..\\..\\other/", "/s/box/other/"],
    ["\\s\\other\\", "/s/box/s/other/"],
    ["\\\\gateway.example:8080\\s\\other", "/s/box/s/other"],
    [".\t./.\t./other/", "/s/box/other/"],
    ["http:/s/other/", "/s/box/s/other/"],
    ["https:/s/other/", "/s/box/s/other/"],
    ["http:///gateway.example:8080/s/other/", "/s/box/s/other/"],
    ["http://user@gateway.example:8080/s/other/", "/s/box/s/other/"],
    ["http://gateway.example:8080/../other/", "/s/box/other/"],
    ["//gateway.example:08080/s/other/", "/s/box/s/other/"],
  ])("%j, which a client would read as another sandbox's, stays under the mount", (value, told) => {
    expect(mountedLocation(value, byPath)).toBe(told);
  });

  test("of the name that the instance was told becomes a path", () => {
    const told = { ...byPath, toldHost: "app.internal" };
    expect(mountedLocation("https://App.internal/a", told)).toBe("/s/box/a");
    expect(mountedLocation("//app.internal", told)).toBe("/s/box/");
    expect(mountedLocation("https://app.internal:8080/a", told)).toBe("https://app.internal:8080/a");
  });

  test.each([
    "a/b",
    "?q",
    "#f",
    "",
    "https://elsewhere.example/a",
    "//elsewhere.example/a",
    "https://127.0.0.1:9000/a",
    "http://127.0.0.1:9001/",
    "http://user@127.0.0.1:9000/",
    "mailto:a@b",
    "///a",
    "http://[/",
  ])("%j is left alone", (value) => {
    expect(mountedLocation(value, byPath)).toBe(value);
  });

  test("that is a path always stays with the sandbox, however often it passes", () => {
    const piece = fc.constantFrom("/", "//", "a", "s", "box", "/s/box", "?", "#", "\\", "%2e", ":", "@", "x.example");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const value = `/a${pieces.join("")}`;
        const told = mountedLocation(value, byPath);
        expect(told.startsWith("/s/box/")).toBe(true);
        expect(mountedLocation(told, byPath)).toBe(told);
      }),
    );
  });
});

describe("where the sandbox has the whole origin, a location", () => {
  test.each([
    ["/a", "/a"],
    ["http://127.0.0.1:9000/a", "/a"],
    ["http://127.0.0.1:9000//elsewhere/a", "/.//elsewhere/a"],
    ["https://gateway.example:8080/a", "https://gateway.example:8080/a"],
  ])("%s keeps its path", (value, told) => {
    expect(mountedLocation(value, byHost)).toBe(told);
  });
});

test("an application that redirects by paths and by its own address works behind a path", async () => {
  const gateway = await startTestGateway();
  const upstream = await startUpstream((req, res) => {
    if (req.url === "/end") return res.end(String(req.headers["x-forwarded-prefix"]));
    const location = req.url === "/" ? "/next" : `http://${req.headers.host}/end`;
    return res.writeHead(302, { location, "content-location": "/data" }).end();
  });
  await gateway.addSandbox("box", upstream);
  const headers = { "x-sandbox-token": (await gateway.authorization()).replace("Bearer ", "") };
  const first = await fetch(`${gateway.url}/s/box/`, { headers, redirect: "manual" });
  expect([first.headers.get("location"), first.headers.get("content-location")]).toEqual([
    "/s/box/next",
    "/s/box/data",
  ]);
  const last = await fetch(`${gateway.url}/s/box/`, { headers });
  expect([last.url, await last.text()]).toEqual([`${gateway.url}/s/box/end`, "/s/box"]);
});
