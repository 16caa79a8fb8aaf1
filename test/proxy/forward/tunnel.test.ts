import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { Exchange } from "../../../src/proxy/request/exchange.ts";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { eventually } from "../../support/eventually.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startRawUpstream, startScriptedUpstream, startUpstream } from "../../support/upstream.ts";

/** A gateway before a WebSocket server that echoes; `seen`: requests that reached it. */
async function echoing(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env });
  const server = createServer((_req, res) => res.writeHead(418).end("no socket here"));
  const seen: string[] = [];
  const sockets = new WebSocketServer({ server, handleProtocols: () => "chat" });
  sockets.on("connection", (socket, { url = "" }) => {
    seen.push(url);
    socket.on("error", () => undefined).on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  await gateway.addSandbox("box", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const open = (authorization: string): WebSocket =>
    new WebSocket(`ws://127.0.0.1:${gateway.port}/s/box/live?x=1`, ["chat"], {
      headers: authorization === "" ? {} : { authorization },
    });
  return { gateway, sockets, seen, open };
}

/** A gateway before an instance that takes up every offer, and a tunnel through it: both its ends, byte for byte. */
async function tunnel(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env });
  const instances: { socket: Socket; text: string; ended: boolean }[] = [];
  const url = await startRawUpstream((socket) => {
    const instance = { socket, text: "", ended: false };
    socket.allowHalfOpen = true;
    socket.once("data", () => {
      instances.push(instance);
      socket.on("data", (chunk) => (instance.text += chunk.toString("latin1")));
      socket.write(switched("Upgrade: websocket", `Sec-WebSocket-Accept: ${ACCEPT}`), "latin1");
    });
    socket.once("end", () => (instance.ended = true));
  });
  await gateway.addSandbox("box", url);
  const authorization = await gateway.authorization();
  const open = async () => {
    const client = await RawConnection.open(gateway.port);
    client.socket.allowHalfOpen = true;
    const count = instances.length;
    client.send(offer(authorization));
    await client.received(/ 101 [^]*\r\n\r\n$/);
    const instance = instances[count] as (typeof instances)[0];
    return { client, instance, exchange: [...gateway.gateway.inFlight].at(-1) as Exchange };
  };
  const { memory } = gateway;
  return {
    gateway,
    open,
    instances,
    /** Calls in flight, tunnels, calls that are held of instances. */
    held: () => [gateway.gateway.inFlight.size, sum(memory.tunnels.totals), sum(memory.instances.inFlight)],
    outcomes: () => gateway.records().map(({ outcome = "" }) => outcome),
  };
}

const sum = (words: readonly Int32Array[]): number =>
  words.flatMap((one) => [...one]).reduce((all, one) => all + one, 0);

const offer = (authorization: string): string =>
  `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`;

/** Writes until the gateway holds back some of it: little enough to read on, so that it sees the end. */
async function fill(from: Socket, to: Socket, moved: () => number): Promise<void> {
  for (let sent = moved(); to.writableLength === 0; ) {
    sent += 30_000;
    from.write(Buffer.alloc(30_000));
    await eventually("it has passed", () => moved() === sent);
  }
}

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const switched = (...fields: string[]): string =>
  ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", ...fields, "", ""].join("\r\n");

async function scripted(answer: string | undefined, onBytes?: string) {
  const gateway = await startTestGateway();
  let closed = false;
  let later = "";
  let heads = 0;
  const url = await startScriptedUpstream((_head, socket) => {
    heads += 1;
    socket.once("close", () => (closed = true)).on("data", (chunk) => (later += chunk.toString("latin1")));
    return answer;
  });
  await gateway.addSandbox("box", url);
  const authorization = await gateway.authorization();
  const connection = await RawConnection.open(gateway.port);
  connection.send(offer(authorization) + (onBytes ?? ""));
  return { gateway, connection, closed: () => closed, later: () => later, heads: () => heads };
}

describe("a WebSocket", () => {
  test("passes messages byte for byte both ways, and is recorded with what it moved", async () => {
    const { gateway, open, seen } = await echoing();
    const socket = open(await gateway.authorization());
    await once(socket, "open");
    expect(socket.protocol).toBe("chat");
    const large = Buffer.alloc(2_000_000, "0123456789abcdef!");
    const back = once(socket, "message");
    socket.send(large);
    expect(Buffer.compare((await back)[0] as Buffer, large)).toBe(0);
    socket.close(1000);
    await once(socket, "close");
    expect(seen).toEqual(["/live?x=1"]);
    await eventually("it is recorded", () => gateway.records().length === 1);
    expect(gateway.records()[0]).toMatchObject({ status: 101, sandbox: "box" });
    expect(gateway.gateway.inFlight.size).toBe(0);
  });

  test("without a good token is refused before anything is sent to an instance", async () => {
    const { seen, sockets, open } = await echoing();
    for (const authorization of ["", "Bearer wrong"]) {
      const socket = open(authorization).on("error", () => undefined);
      const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number }];
      expect(response.statusCode).toBe(401);
      socket.terminate();
    }
    expect(seen).toEqual([]);
    expect(sockets.clients.size).toBe(0);
  });

  test("is closed with 1008 when its token is revoked, and when its sandbox is removed", async () => {
    const { gateway, open } = await echoing();
    const codes: number[] = [];
    for (const end of ["revoked", "removed"]) {
      const socket = open(await gateway.authorization());
      await once(socket, "open");
      const closed = once(socket, "close");
      if (end === "removed") await gateway.verbs.sandboxes.remove(ACTOR, "box");
      else
        for (const { id } of await gateway.verbs.tokens.list(ACTOR, { expired: false }))
          await gateway.verbs.tokens.revoke(ACTOR, id);
      await gateway.feed.wake();
      codes.push(((await closed) as [number])[0]);
    }
    expect(codes).toEqual([1008, 1008]);
  });

  test("is closed with 1008 when its token's time is over, not before, and recorded as that", async () => {
    const { gateway, open } = await echoing({ TOKEN_CLOCK_SKEW: "10s" });
    const socket = open(await gateway.authorization()); // for an hour
    await once(socket, "open");
    const closed = once(socket, "close");
    const startedAt = Date.now();
    const clock = vi.spyOn(Date, "now").mockReturnValue(startedAt + 3_605_000);
    onTestFinished(() => clock.mockRestore());
    socket.send("still");
    expect(String((await once(socket, "message"))[0])).toBe("still");
    await delay(300); // it has been looked at
    expect(socket.readyState).toBe(WebSocket.OPEN);
    clock.mockReturnValue(startedAt + 3_612_000);
    const [code, reason] = (await closed) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([1008, "AUTH_001"]);
    expect(gateway.records()).toMatchObject([{ outcome: "AUTH_001" }]);
  });

  test("is closed with 1001 when nothing has moved in it for too long, and not while something does", async () => {
    const { gateway, open } = await echoing({ PROXY_TUNNEL_IDLE_TIMEOUT: "300ms" });
    const socket = open(await gateway.authorization());
    await once(socket, "open");
    const openedAt = performance.now();
    const pings = setInterval(() => socket.ping(), 50);
    onTestFinished(() => clearInterval(pings));
    await eventually("it has lived for longer", () => performance.now() - openedAt > 600);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    clearInterval(pings);
    const [code, reason] = (await once(socket, "close")) as [number, Buffer];
    expect([code, String(reason)]).toEqual([1001, "PROXY_011"]);
    await eventually("it is recorded", () => gateway.records().length === 1);
    await eventually("nothing is left of it", () => gateway.gateway.inFlight.size === 0);
  });

  test("is closed with 1001 when the gateway drains", async () => {
    const { gateway, open } = await echoing();
    const socket = open(await gateway.authorization());
    await once(socket, "open");
    const closed = once(socket, "close");
    await gateway.gateway.drain({ graceMs: 0, delayMs: 0, accept: "delay" });
    expect((await closed)[0]).toBe(1001);
  });
});

describe("a tunnel", () => {
  test.each(["client", "instance"] as const)(
    "goes on in one direction when the %s has ended the other",
    async (first) => {
      const { open, held, outcomes } = await tunnel();
      const { client, instance } = await open();
      const [from, to] = first === "client" ? [client.socket, instance.socket] : [instance.socket, client.socket];
      const received = () => (first === "client" ? client.text : instance.text);
      const ended = once(to, "end");
      from.end("the last words");
      await ended;
      for (const word of ["still", "here", "x".repeat(200_000)]) {
        to.write(word);
        await eventually("it has come", () => received().endsWith(word));
      }
      to.end();
      await eventually("nothing is left of it", () => String(held()) === "0,0,0");
      expect(outcomes()).toEqual([""]);
    },
  );

  test.each([
    ["client", "PROXY_005"],
    ["instance", "PROXY_002"],
  ])("is over at both ends when the %s resets it, at whatever moment", async (who, outcome) => {
    const { open, held, outcomes, gateway } = await tunnel();
    const big = Buffer.alloc(300_000);
    for (const ms of [0, 1, 2, 3, 5]) {
      const { client, instance } = await open();
      const [from, to] = who === "client" ? [client.socket, instance.socket] : [instance.socket, client.socket];
      const closed = new Promise((resolve) => to.once("close", resolve));
      to.write(big);
      from.write(big);
      if (ms > 0) await delay(ms);
      from.resetAndDestroy();
      await closed;
    }
    await eventually("nothing is left of them", () => String(held()) === "0,0,0");
    expect(outcomes()).toEqual([outcome, outcome, outcome, outcome, outcome]);
    expect(gateway.internalErrors).toEqual([]);
  });

  test.each(["client", "instance"] as const)(
    "holds little for the %s that does not read, and loses nothing of it",
    async (who) => {
      const { open } = await tunnel();
      const { client, instance, exchange } = await open();
      const [slow, fast] = who === "client" ? [client.socket, instance.socket] : [instance.socket, client.socket];
      slow.pause();
      const size = 30_000_000;
      fast.end(Buffer.alloc(size));
      const moved = () => (who === "client" ? exchange.bytesOut : exchange.bytesIn);
      for (let before = -1; moved() > before || moved() === 0; await delay(50)) before = moved();
      expect(moved()).toBeLessThan(size / 2);
      expect(exchange.req.socket.writableLength + exchange.req.socket.readableLength).toBeLessThan(300_000);
      let read = 0;
      slow.removeAllListeners("data").on("data", (chunk: Buffer) => (read += chunk.length));
      slow.resume();
      await once(slow, "end");
      expect(read).toBe(size);
    },
  );

  test.each(["client", "instance"] as const)("does not wait for long for more when the %s has ended", async (who) => {
    const { open, held, outcomes } = await tunnel({ PROXY_STREAM_IDLE_TIMEOUT: "300ms" });
    const { client, instance } = await open();
    (who === "client" ? client : instance).socket.end();
    await eventually("nothing is left of it", () => String(held()) === "0,0,0");
    expect(outcomes()).toEqual(["PROXY_011"]);
  });

  test("that has ended both ways does not wait for ever for a client that does not read the rest", async () => {
    const { open, held, outcomes } = await tunnel({ PROXY_TUNNEL_IDLE_TIMEOUT: "1s" });
    const { client, instance, exchange } = await open();
    client.socket.pause();
    await fill(instance.socket, exchange.req.socket, () => exchange.bytesOut);
    client.socket.end();
    instance.socket.end();
    await eventually("nothing is left of it", () => String(held()) === "0,0,0");
    expect(outcomes()).toEqual([""]);
  });

  test("that has ended both ways does not wait for ever for an instance that does not read the rest", async () => {
    const { open, held, outcomes } = await tunnel({ PROXY_TUNNEL_IDLE_TIMEOUT: "1s" });
    const dialed: Socket[] = [];
    const onSocket = (message: unknown): void => void dialed.push((message as { socket: Socket }).socket);
    subscribe("net.client.socket", onSocket);
    onTestFinished(() => void unsubscribe("net.client.socket", onSocket));
    const { client, instance, exchange } = await open();
    const inner = dialed.find(({ remotePort }) => remotePort === instance.socket.localPort) as Socket;
    instance.socket.pause();
    await fill(client.socket, inner, () => exchange.bytesIn);
    client.socket.end();
    instance.socket.end();
    await eventually("nothing is left of it", () => String(held()) === "0,0,0");
    await eventually("the connection to the instance is closed", () => inner.destroyed);
    expect(outcomes()).toEqual([""]);
  });

  test("that has ended both ways does not keep a gateway from stopping when its client does not read", async () => {
    const { gateway, open } = await tunnel();
    const { client, instance, exchange } = await open();
    client.socket.pause();
    await fill(instance.socket, exchange.req.socket, () => exchange.bytesOut);
    client.socket.end();
    instance.socket.end();
    await eventually("it is recorded", () => gateway.records().length === 1);
    await gateway.gateway.drain({ graceMs: 0, delayMs: 0, accept: "delay" });
    expect(gateway.gateway.inFlight.size).toBe(0);
  });

  test("among a hundred is over when its token is revoked, and each has its record", async () => {
    const { gateway, open, held, outcomes } = await tunnel({ MAX_TUNNELS_PER_CALLER: "100" });
    const tunnels = [];
    for (let count = 0; count < 100; count++) tunnels.push(await open());
    expect(held()).toEqual([100, 100, 100]);
    for (const { id } of await gateway.verbs.tokens.list(ACTOR, { expired: false }))
      await gateway.verbs.tokens.revoke(ACTOR, id);
    await gateway.feed.wake();
    await eventually("nothing is left of them", () => String(held()) === "0,0,0");
    expect(outcomes()).toEqual(tunnels.map(() => "AUTH_001"));
    expect(tunnels.filter(({ client }) => client.text.endsWith("\x03\xf0AUTH_001"))).toHaveLength(100);
  });
});

/** What the offer of another one is answered with; the tunnel stays open. */
async function another(port: number, authorization: string, path: string): Promise<string> {
  const connection = await RawConnection.open(port);
  connection.send(offer(authorization).replace("/s/box/", path));
  await connection.received(/^HTTP\/1.1 (?:101 |\d+ [^]*"code")/);
  return /"details":"([^"]*)"/.exec(connection.text)?.[1] ?? connection.text.slice(9, 12);
}

describe("how many tunnels there may be", () => {
  test.each([
    ["of a caller", { MAX_TUNNELS_PER_CALLER: "2" }, {}, "This caller has as many as it may"],
    ["of a sandbox", { MAX_TUNNELS_PER_SANDBOX: "2" }, {}, "This sandbox has as many as it may"],
    ["of a sandbox that says so", {}, { "max-tunnels": "2" }, "This sandbox has as many as it may"],
    [
      "in all",
      { MAX_TUNNELS: "2", MAX_TUNNELS_PER_CALLER: "9", MAX_TUNNELS_PER_SANDBOX: "9" },
      {},
      "The gateway has as many as it may",
    ],
  ])("%s is bounded before anything is sent, whatever the streams", async (_whose, env, settings, details) => {
    const { gateway, open, held, instances } = await tunnel({ MAX_STREAMS: "0", ...env });
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings });
    await gateway.feed.wake();
    const authorization = await gateway.authorization();
    const { client } = await open();
    expect(await another(gateway.port, authorization, "/s/box/")).toBe("101");
    expect(await another(gateway.port, authorization, "/s/box/")).toBe(details);
    expect([held(), instances.length]).toEqual([[2, 2, 2], 2]);
    client.socket.resetAndDestroy();
    await eventually("its place is free", () => held()[1] === 1);
    expect(await another(gateway.port, authorization, "/s/box/")).toBe("101");
  });

  test("counts none that has become something else, was refused, or could not be sent", async () => {
    const { gateway, held } = await tunnel({ MAX_TUNNELS: "1", MAX_RETRIES: "0" });
    const authorization = await gateway.authorization();
    const seen: string[] = [];
    const goesOn = await startRawUpstream((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"));
    });
    await gateway.addSandbox("stream", goesOn);
    await gateway.addSandbox("gone", "http://127.0.0.1:1");
    const stream = await RawConnection.open(gateway.port);
    await stream.send(offer(authorization).replace("box", "stream")).received("data: 1");
    for (const path of ["/s/gone/", "/s/nothing/", "/s/box/"])
      seen.push(await another(gateway.port, authorization, path));
    expect(seen.at(-1)).toBe("101");
    expect(held()[1]).toBe(1);
    expect(stream.closed).toBe(false);
  });
});

describe("the age of a tunnel", () => {
  test.each([
    ["the configuration", { PROXY_TUNNEL_MAX_AGE: "400ms" }, {}],
    ["its sandbox", { PROXY_TUNNEL_MAX_AGE: "off" }, { "tunnel-max-age": "400ms" }],
  ])("is bounded by %s, however much moves in it and whatever its call may take", async (_who, env, settings) => {
    const { gateway, open } = await echoing({ PROXY_TOTAL_TIMEOUT: "200ms", ...env });
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings });
    await gateway.feed.wake();
    const socket = open(await gateway.authorization());
    await once(socket, "open");
    const openedAt = performance.now();
    const pings = setInterval(() => socket.ping(), 50);
    onTestFinished(() => clearInterval(pings));
    const [code, reason] = (await once(socket, "close")) as [number, Buffer];
    expect([code, String(reason)]).toEqual([1001, "PROXY_016"]);
    expect(performance.now() - openedAt).toBeGreaterThan(300);
    await eventually("it is recorded", () => gateway.records().length === 1);
    expect(gateway.records()).toMatchObject([{ status: 101, outcome: "PROXY_016" }]);
    await eventually("nothing is left of it", () => gateway.gateway.inFlight.size === 0);
  });

  test("in which nothing moves is bounded by its sandbox too", async () => {
    const { gateway, open } = await echoing();
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "tunnel-idle-timeout": "100ms" } });
    await gateway.feed.wake();
    const socket = open(await gateway.authorization());
    const [code, reason] = (await once(socket, "close")) as [number, Buffer];
    expect([code, String(reason)]).toEqual([1001, "PROXY_011"]);
  });
});

describe("a tunnel and its address", () => {
  test("end when the address may not call any more, and so does a stream; a call that ends by itself goes on", async () => {
    const { gateway, open } = await echoing();
    const authorization = await gateway.authorization();
    const answers: ServerResponse[] = [];
    await gateway.addSandbox(
      "web",
      await startUpstream((req, res) => {
        answers.push(res);
        if (req.url === "/events") res.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
      }),
    );
    const socket = open(authorization);
    await once(socket, "open");
    const get = (path: string) => `GET /s/web/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`;
    const stream = (await RawConnection.open(gateway.port)).send(get("events"));
    await stream.received("data: 1");
    const call = (await RawConnection.open(gateway.port)).send(get("call"));
    await eventually("the call is there", () => answers.length === 2);
    const closed = once(socket, "close");
    gateway.gateway.reconfigure({ ...gateway.config, IP_DENY_LIST: ["10.0.0.0/8"] });
    expect(socket.readyState).toBe(WebSocket.OPEN);
    gateway.gateway.reconfigure({ ...gateway.config, IP_DENY_LIST: ["127.0.0.0/8"] });
    const [code, reason] = (await closed) as [number, Buffer];
    expect([code, String(reason)]).toEqual([1008, "AUTH_006"]);
    await stream.end();
    answers[1]?.end("whole");
    await call.received("whole");
  });
});

describe("the record of a tunnel", () => {
  test.each([
    ["execute", 1],
    ["all", 1],
    ["off", 0],
  ])("begins before it is offered to an instance: AUDIT_INTENT=%s", async (intent, starts) => {
    const { gateway, open } = await tunnel({ AUDIT_INTENT: intent });
    await open();
    const records = gateway.allRecords().filter(({ kind }) => kind === "start");
    expect(records).toMatchObject(
      Array.from({ length: starts }, () => ({ call: "proxy", sandbox: "box", path: "/s/box/" })),
    );
  });
});

describe("an offer", () => {
  test.each([0, 50_000])(
    "whose client leaves before it is answered is over, with %i bytes behind it",
    async (behind) => {
      const { gateway, connection, closed, heads } = await scripted(undefined, "x".repeat(behind));
      await eventually("the instance has it", () => heads() === 1);
      connection.socket.destroy();
      await eventually("the instance's connection is closed", closed);
      await eventually("nothing is left of it", () => gateway.gateway.inFlight.size === 0);
      expect(gateway.records()).toMatchObject([{ outcome: "PROXY_005" }]);
    },
  );
});

describe("an instance's answer to the offer", () => {
  test.each([
    ["another protocol", switched("Upgrade: h2c", `Sec-WebSocket-Accept: ${ACCEPT}`)],
    ["no protocol", switched(`Sec-WebSocket-Accept: ${ACCEPT}`)],
    ["a wrong accept", switched("Upgrade: websocket", `Sec-WebSocket-Accept: ${KEY}`)],
    ["no accept", switched("Upgrade: websocket")],
    ["a body", switched("Upgrade: websocket", `Sec-WebSocket-Accept: ${ACCEPT}`, "Content-Length: 3")],
  ])("that is a 101 with %s is a 502, and its connection is gone", async (_what, answer) => {
    const { connection, closed } = await scripted(answer);
    await connection.end();
    expect(connection.statuses).toEqual([502]);
    expect(connection.text).not.toContain("HTTP/1.1 101");
    await eventually("the instance's connection is closed", closed);
  });

  test("that is no 101 passes whole", async () => {
    const { connection } = await scripted("HTTP/1.1 403 No\r\nContent-Length: 5\r\nx-why: y\r\n\r\nno ws");
    await connection.end();
    expect(connection.statuses).toEqual([403]);
    expect(connection.text).toMatch(/x-why: y[^]*\r\n\r\nno ws$/);
  });

  test.each([0, 500_000])(
    "that goes on ends when its client leaves, with %i bytes behind the offer",
    async (behind) => {
      const event = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n";
      const { gateway, connection, closed } = await scripted(event, "x".repeat(behind));
      await connection.received("data: 1");
      connection.socket.destroy();
      await eventually("the instance's connection is closed", closed);
      await eventually("nothing is left of it", () => gateway.gateway.inFlight.size === 0);
      expect(gateway.records()).toMatchObject([{ status: 200, outcome: "PROXY_005" }]);
    },
  );

  test("that is a 101 keeps the bytes behind both heads, and a half-close reaches the other side", async () => {
    const good = switched("Upgrade: websocket", `Sec-WebSocket-Accept: ${ACCEPT}`);
    const { connection, later, closed } = await scripted(`${good}early from instance`, "early from client");
    await connection.received(/ 101 [^]*\r\n\r\nearly from instance$/);
    await eventually("the instance has the client's", () => later().includes("early from client"));
    connection.socket.end();
    await connection.end();
    await eventually("the instance's end is over", closed);
    expect(connection.statuses).toEqual([]);
  });
});
