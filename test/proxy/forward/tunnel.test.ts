import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { eventually } from "../../support/eventually.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startScriptedUpstream } from "../../support/upstream.ts";

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

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const switched = (...fields: string[]): string =>
  ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", ...fields, "", ""].join("\r\n");

async function scripted(answer: string, onBytes?: string) {
  const gateway = await startTestGateway();
  let closed = false;
  let later = "";
  const url = await startScriptedUpstream((_head, socket) => {
    socket.once("close", () => (closed = true)).on("data", (chunk) => (later += chunk.toString("latin1")));
    return answer;
  });
  await gateway.addSandbox("box", url);
  const authorization = await gateway.authorization();
  const connection = await RawConnection.open(gateway.port);
  connection.send(
    `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n${onBytes ?? ""}`,
  );
  return { gateway, connection, closed: () => closed, later: () => later };
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
    await gateway.gateway.drain(0);
    expect((await closed)[0]).toBe(1001);
  });
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
