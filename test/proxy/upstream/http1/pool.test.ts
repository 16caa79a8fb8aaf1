import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { eventually } from "../../../support/eventually.ts";
import { startRawUpstream, startScriptedUpstream } from "../../../support/upstream.ts";
import { startUpstreamClient } from "../../../support/upstream-client.ts";

/** An instance that answers with the number of the connection it was asked on, `/hold` only when it is let go. */
async function numberedInstance() {
  const numbers = new Map<Socket, number>();
  const held: (() => void)[] = [];
  const url = await startScriptedUpstream((head, socket) => {
    const number = numbers.get(socket) ?? numbers.size + 1;
    numbers.set(socket, number);
    const answer = `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${number}`;
    if (!head.startsWith("GET /hold")) return answer;
    held.push(() => void socket.write(answer));
    return undefined;
  });
  return { url, held, numbers };
}

describe("a connection that has been paused by the last piece of an answer", () => {
  test.each([
    ["a declared length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast"],
    ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlast\r\n0\r\n\r\n"],
  ])("of %s reads the next caller's answer", async (_, answer) => {
    const { ask } = startUpstreamClient(await startScriptedUpstream(() => answer), { connections: 1 });
    for (let round = 0; round < 12; round++) {
      expect(await ask({ onData: (control) => control.pause() })).toMatchObject({ body: "last" });
    }
  });

  test("notices while it is idle that it has been closed", async () => {
    const sockets = new Set<Socket>();
    const url = await startScriptedUpstream((_head, socket) => {
      sockets.add(socket);
      return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast";
    });
    const { ask } = startUpstreamClient(url, { connections: 1, keepAliveMs: 60_000 });
    await ask({ onData: (control) => control.pause() });
    const [first] = sockets;
    first?.end();
    await eventually("our side has closed it too", () => first?.readableEnded === true);
    expect(await ask()).toMatchObject({ body: "last" });
    expect(sockets.size).toBe(2);
  });
});

test("a connection that has not taken all of a body yet is not used again, though the answer is whole", async () => {
  let calls = 0;
  const url = await startRawUpstream((socket) => {
    socket.once("data", () => {
      calls += 1;
      if (calls === 1) socket.pause(); // it answers, and reads no further
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    });
  });
  const { ask } = startUpstreamClient(url, { connections: 1 });
  expect(await ask({ method: "POST", body: "x".repeat(20_000_000) })).toMatchObject({ body: "good" });
  expect(await ask()).toMatchObject({ body: "good" });
  expect(calls).toBe(2);
});

describe("a request that wants a fresh connection", () => {
  test("gets one, though others lie idle", async () => {
    const { url } = await numberedInstance();
    const { ask } = startUpstreamClient(url);
    expect(await ask()).toMatchObject({ body: "1" });
    expect(await ask()).toMatchObject({ body: "1" });
    expect(await ask({ fresh: true })).toMatchObject({ body: "2" });
  });

  test("gets one in a full pool, where an idle one gives way", async () => {
    const { url, held } = await numberedInstance();
    const { ask } = startUpstreamClient(url, { connections: 2 });
    const holding = ask({ path: "/hold" });
    await eventually("it is held", () => held.length === 1);
    expect(await ask()).toMatchObject({ body: "2" });
    expect(await ask({ fresh: true })).toMatchObject({ body: "3" });
    held[0]?.();
    expect(await holding).toMatchObject({ body: "1" });
  });

  test("waits for its turn when all are at work", async () => {
    const { url, held } = await numberedInstance();
    const { ask } = startUpstreamClient(url, { connections: 1 });
    const holding = ask({ path: "/hold" });
    await eventually("it is held", () => held.length === 1);
    const fresh = ask({ fresh: true });
    const behind = ask();
    held[0]?.();
    expect(await holding).toMatchObject({ body: "1" });
    expect(await fresh).toMatchObject({ body: "2" });
    expect(await behind).toMatchObject({ body: "2" });
  });
});

test("never has more connections than it may, and serves who waits in the order of coming", async () => {
  const { url, held, numbers } = await numberedInstance();
  const { ask } = startUpstreamClient(url, { connections: 3 });
  const served: string[] = [];
  const paths = Array.from({ length: 30 }, (_, index) => `/hold/${index}`);
  const all = paths.map((path) => ask({ path, onSent: () => void served.push(path) }));
  for (let answered = 0; answered < 30; answered += 3) {
    await eventually("three are at work", () => held.length === 3);
    for (const answer of held.splice(0)) answer();
  }
  await Promise.all(all);
  expect(served).toEqual(paths);
  expect(numbers.size).toBe(3);
});

test.each([
  ["timeout=1", [1, 2, 3]], // gone before a request could be there
  ["timeout=60, max=100", [1, 1, 1]],
  ["timeout=soon", [1, 1, 1]],
  ["max=5", [1, 1, 1]],
])(
  "an instance that says it keeps idle connections for %s is asked over connections %o",
  async (keepAlive, expected) => {
    let connections = 0;
    const numbers = new WeakMap<Socket, number>();
    const url = await startScriptedUpstream((_head, socket) => {
      if (!numbers.has(socket)) numbers.set(socket, ++connections);
      return `HTTP/1.1 200 OK\r\nKeep-Alive: ${keepAlive}\r\nContent-Length: 1\r\n\r\n${numbers.get(socket)}`;
    });
    const { ask } = startUpstreamClient(url);
    const asked: number[] = [];
    for (let call = 0; call < 3; call++) asked.push(Number((await ask({})).body));
    expect(asked).toEqual(expected);
  },
);
