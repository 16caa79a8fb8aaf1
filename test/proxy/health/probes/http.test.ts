import { once } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { askByHttp } from "../../../../src/proxy/health/probes/http.ts";
import { eventually } from "../../../support/eventually.ts";
import { findingOf, targetAt, wayTo } from "../../../support/health-targets.ts";
import { createAuthority } from "../../../support/certificates.ts";
import { startSecureUpstream } from "../../../support/secure-upstream.ts";
import { closedPort, startRawUpstream, startScriptedUpstream, startUpstream } from "../../../support/upstream.ts";

const ask = (url: string, ...more: Parameters<typeof targetAt> extends [string, ...infer Rest] ? Rest : never) =>
  findingOf(askByHttp, targetAt(url, ...more));

test.each([
  [200, null],
  [204, null],
  [302, null],
  [399, null],
  [400, "status 400"],
  [503, "status 503"],
])("an instance that answers with %d: %j", async (status, finding) => {
  const url = await startUpstream((_req, res) => {
    res.writeHead(status, { location: "http://127.0.0.1:1/elsewhere" }).end();
  });
  expect(await ask(url)).toBe(finding);
});

test("what it is asked for, and which statuses are well, is the check's to say; it is told no secret", async () => {
  const seen: { url: string; fields: readonly string[] }[] = [];
  const url = await startUpstream((req, res) => {
    seen.push({ url: req.url ?? "", fields: req.rawHeaders });
    res.writeHead(418).end();
  });
  expect(await ask(url, { path: "/up?x=1", statuses: [[418, 418]] }, { told: "app.example" })).toBeNull();
  expect(seen).toEqual([
    {
      url: "/up?x=1",
      fields: ["host", "app.example", "user-agent", "sandboxgw-health", "accept", "*/*", "connection", "close"],
    },
  ]);
});

test("each check has a connection of its own, which is closed after it", async () => {
  const sockets: Socket[] = [];
  const url = await startUpstream((req, res) => {
    sockets.push(req.socket);
    res.end("fine");
  });
  for (let time = 0; time < 3; time++) expect(await ask(url)).toBeNull();
  expect(new Set(sockets).size).toBe(3);
  await eventually("all are closed", () => sockets.every(({ destroyed }) => destroyed));
});

test.each([
  ["nothing at all", "", "ECONNRESET"],
  ["something that is not HTTP", "SSH-2.0-OpenSSH_9\r\n\r\n", expect.stringMatching(/^not HTTP: /)],
  [
    "two lengths",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    expect.stringMatching(/^not HTTP: /),
  ],
  [
    "a protocol nobody asked for",
    "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    expect.stringMatching(/^not HTTP: /),
  ],
  ["endless beginnings", "HTTP/1.1 102 Processing\r\n\r\n".repeat(20), expect.stringMatching(/^not HTTP: /)],
  ["a head without end", `HTTP/1.1 200 OK\r\nx: ${"a".repeat(40_000)}`, expect.stringMatching(/^not HTTP: /)],
  ["half an answer", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "the answer broke off: ECONNRESET"],
])("an instance that sends %s is not well", async (_what, bytes, finding) => {
  const url = await startScriptedUpstream((_head, socket) => void socket.end(bytes, "latin1"));
  expect(await ask(url)).toEqual(finding);
});

test("an instance that resets, refuses or is not allowed is not well", async () => {
  const resetting = await startRawUpstream((socket) => socket.resetAndDestroy());
  expect(await ask(resetting)).toBe("ECONNRESET");
  expect(await ask(await closedPort())).toBe("ECONNREFUSED");
  const url = await startUpstream((_req, res) => void res.end());
  const denied = { reached: () => wayTo(url, { deny: ["127.0.0.0/8"] }) };
  expect(await ask(url, {}, denied)).toBe("its address is not allowed");
});

test("a hundred megabytes, or no end, are not read: the status has been seen", async () => {
  let written = 0;
  const sockets: Socket[] = [];
  const url = await startUpstream((req, res) => {
    sockets.push(req.socket);
    const chunk = Buffer.alloc(64 * 1024);
    const more = (): void => {
      while (!res.destroyed && written < 100 * 2 ** 20) {
        written += chunk.length;
        if (!res.write(chunk)) return void res.once("drain", more);
      }
    };
    more();
  });
  expect(await ask(url)).toBeNull();
  await eventually("it is cut off", () => sockets.every(({ destroyed }) => destroyed));
  expect(written).toBeLessThan(20 * 2 ** 20);
});

test("a check that is cancelled leaves no connection, and tells nothing any more", async () => {
  let hangup: Promise<unknown> | undefined;
  const url = await startUpstream((req) => {
    hangup = once(req.socket, "close");
  });
  let told = 0;
  const asking = askByHttp(targetAt(url), () => void (told += 1));
  await eventually("it is asked", () => hangup !== undefined);
  asking.cancel();
  await hangup;
  expect(told).toBe(0);
});

test("TLS is checked as it is for traffic", async () => {
  const authority = createAuthority();
  const url = `https://127.0.0.1:${await startSecureUpstream(authority.issue(["127.0.0.1"]))}`;
  const ca = authority.certificate;
  expect(await ask(url, {}, { reached: () => wayTo(url) })).not.toBeNull();
  expect(await ask(url, {}, { reached: () => wayTo(url, { trust: { ca } }) })).toBeNull();
});
