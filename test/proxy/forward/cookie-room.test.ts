import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CookieRoom } from "../../../src/proxy/forward/cookie-room.ts";
import { startTestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

const names = (count: number, from = 0): string[] => Array.from({ length: count }, (_, n) => `c${from + n}`);

describe("room for cookies", () => {
  test("is never more than 32 and 8 KiB an answer, nor more than 60 and 6 KiB beside what the client shows", () => {
    const pair = fc.tuple(fc.nat(200), fc.nat(600)).map(([name, size]) => `c${name}=${"x".repeat(size)}`);
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 80 }), fc.array(pair, { maxLength: 100 }), (shown, set) => {
        const room = new CookieRoom(shown.length === 0 ? undefined : shown.join("; "));
        const taken = set.filter((value) => room.takes(value));
        expect(taken.length).toBeLessThanOrEqual(32);
        expect(taken.join("").length).toBeLessThanOrEqual(8_192);
        const before = new Set(shown.map((one) => one.split("=")[0]));
        const fresh = taken.filter((one) => !before.has(one.split("=")[0]));
        const fits = before.size + fresh.length <= 60 && [...shown, ...fresh].join("; ").length <= 6_146;
        expect(fresh.length === 0 || fits).toBe(true);
      }),
    );
  });

  test("is there for what takes a cookie away or stands for one that is there, when there is none for others", () => {
    const shown = names(60).map((name) => `${name}=1`);
    const room = new CookieRoom(shown.join("; "));
    expect(room.takes("new=1; Path=/")).toBe(false);
    expect(room.takes("c7=2; Path=/")).toBe(true);
    expect(room.takes("other=; Max-Age=0")).toBe(true);
    expect(room.takes("other=; expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/")).toBe(true);
    for (const kept of ["Max-Age=01", "Max-Age=0; Max-Age=9", "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9"]) {
      expect(room.takes(`other=; ${kept}`)).toBe(false);
    }
  });
});

test("a sandbox by path cannot fill a browser with cookies, one on an origin of its own may", async () => {
  const gateway = await startTestGateway();
  const cookies = names(200).map((name) => `${name}=${"x".repeat(20)}`);
  await gateway.addSandbox("box", await startUpstream((_req, res) => void res.setHeader("set-cookie", cookies).end()));
  const headers = { authorization: await gateway.authorization() };
  const set = async (path: string, more: Record<string, string>) => {
    const response = await fetch(gateway.url + path, { headers: { ...headers, ...more } });
    return response.headers.getSetCookie().length;
  };
  expect(await set("/s/box/", {})).toBe(32);
  expect(await set("/s/box/", { cookie: names(50, 500).join("=1; ") })).toBe(10);
  expect(await set("/", { "x-sandbox-id": "box" })).toBe(200);
});
