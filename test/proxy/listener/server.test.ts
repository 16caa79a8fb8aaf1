import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { sendRaw } from "../../support/raw-client.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { readAll, startRawUpstream, startUpstream } from "../../support/upstream.ts";

/** A request head of these lines. */
const head = (...lines: string[]): string => `${lines.join("\r\n")}\r\n\r\n`;

/** Waits until nothing is in flight and nothing is counted as if it were; what the next request then gets. */
async function nextStatus(gateway: TestGateway): Promise<number> {
  const { slots, instances } = gateway.memory;
  await eventually("nothing is in flight", async () => {
    const page = (await (await fetch(`${gateway.url}/health/proxy`)).json()) as Record<string, unknown>;
    return page["in_flight"] === 0 && page["waiting"] === 0 && slots.shared[0] === 0;
  });
  await eventually("no instance is busy", () => instances.inFlight.every((lane) => lane.every((count) => count === 0)));
  expect(gateway.internalErrors).toEqual([]);
  const response = await fetch(`${gateway.url}/s/box/`, { headers: { authorization: await gateway.authorization() } });
  await response.text();
  return response.status;
}

/** Reads whatever comes and answers with nothing. */
function sink(req: IncomingMessage, res: ServerResponse): void {
  req.on("error", () => undefined).resume();
  req.once("end", () => void res.end());
}

describe("a slow client", () => {
  test("that is not done in time with its head or its whole request, or idle between two, is cut off", async () => {
    const gateway = await startTestGateway({ env: { HEADERS_TIMEOUT: "1s", KEEP_ALIVE_TIMEOUT: "100ms" } });
    const silent = await RawConnection.open(gateway.port);
    const inHead = new RawConnection(gateway.port).send("GET / HTTP/1.1\r\nX: ");
    const idle = new RawConnection(gateway.port).send(head("GET /health HTTP/1.1", "Host: x"));
    const hasty = await startTestGateway({ env: { HEADERS_TIMEOUT: "10s", REQUEST_TIMEOUT: "1s" } });
    await hasty.addSandbox("box", await startUpstream(sink));
    const fields = ["Host: x", `Authorization: ${await hasty.authorization()}`, "Content-Length: 1000"];
    const inBody = new RawConnection(hasty.port).send(head("POST /s/box/ HTTP/1.1", ...fields));
    const drip = setInterval(() => [inHead, inBody].map((connection) => connection.send("x")), 50);
    onTestFinished(() => clearInterval(drip));
    const times = await Promise.all([silent, inHead, inBody, idle].map((connection) => connection.end(4_000)));
    expect(Math.min(...times.slice(0, 3))).toBeGreaterThan(900);
    expect([inHead, inBody].map(({ statuses }) => statuses)).toEqual([[408], [408]]);
    expect([inHead, inBody].map(({ text }) => text)).toEqual(
      Array(2).fill(expect.stringContaining('"code":"VAL_008"')),
    );
    expect(idle.statuses).toEqual([200]);
    expect(await nextStatus(hasty)).toBe(200);
  });

  test("that stops in the middle of its body gets 408; the call is cancelled and its place given back", async () => {
    const gateway = await startTestGateway({ env: { PROXY_SEND_TIMEOUT: "300ms", MAX_CONCURRENT_REQUESTS: "1" } });
    let received = "";
    let cancelled = false;
    const url = await startRawUpstream((socket) => {
      socket.on("data", (chunk) => {
        received += String(chunk);
        if (received.startsWith("GET")) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      });
      socket.once("close", () => {
        cancelled = true;
      });
    });
    await gateway.addSandbox("box", url);
    const authorization = await gateway.authorization();
    const proxied = new RawConnection(gateway.port);
    proxied.send(
      `${head("POST /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`, "Content-Length: 10")}hello`,
    );
    const executing = new RawConnection(gateway.port);
    const fields = [`Authorization: ${authorization}`, "Content-Type: application/json", "Transfer-Encoding: chunked"];
    executing.send(`${head("POST /api/v1/sandbox/execute HTTP/1.1", "Host: x", ...fields)}1\r\n{\r\n`);
    await Promise.all([proxied.end(3_000), executing.end(3_000)]);
    expect(proxied.statuses).toEqual([408]);
    expect(proxied.text).toContain('"code":"PROXY_006"');
    expect(proxied.text).toContain('"retryable":false,"executed":"maybe"');
    expect(received).toContain("hello");
    await eventually("the sandbox's connection closes", () => cancelled);
    expect(executing.statuses).toEqual([408]);
    expect(executing.text).toContain('"code":"VAL_008"');
    received = "";
    expect(await nextStatus(gateway)).toBe(200);
  });

  test("that stops reading is cut off, and the sandbox's connection let go", async () => {
    const gateway = await startTestGateway({ env: { PROXY_SEND_TIMEOUT: "300ms" } });
    let released = false;
    const url = await startUpstream((req, res) => {
      if (req.url === "/") return void res.end();
      res
        .on("error", () => undefined)
        .once("close", () => {
          released = true;
        });
      const more = (): void => {
        while (res.write(Buffer.alloc(65_536)));
        res.once("drain", more);
      };
      more();
    });
    await gateway.addSandbox("box", url);
    const reader = new RawConnection(gateway.port);
    reader.socket.pause();
    reader.send(head("GET /s/box/endless HTTP/1.1", "Host: x", `Authorization: ${await gateway.authorization()}`));
    await eventually("the sandbox's connection closes", () => released);
    await eventually("it is recorded", () => gateway.records().length === 1);
    expect(gateway.records()).toMatchObject([{ outcome: "PROXY_006", status: 200 }]);
    reader.socket.resume();
    await reader.end();
    expect(await nextStatus(gateway)).toBe(200);
  });
});

describe("a slow sandbox", () => {
  test("that does not take the body is blamed, not the client", async () => {
    const gateway = await startTestGateway({ env: { PROXY_TIMEOUT: "300ms", PROXY_SEND_TIMEOUT: "10s" } });
    await gateway.addSandbox("box", await startRawUpstream((socket) => void socket.pause()));
    const connection = new RawConnection(gateway.port);
    const authorization = await gateway.authorization();
    connection.send(
      head("POST /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`, "Content-Length: 10000000"),
    );
    connection.send("x".repeat(9_999_999));
    await connection.received('"code":"PROXY_003"');
    expect(connection.statuses).toEqual([504]);
  });
});

describe("connections", () => {
  test("over the limit are refused with 503 and nothing they send is looked at; one that closes makes room", async () => {
    const gateway = await startTestGateway({ env: { MAX_CONNECTIONS: "2" } });
    let calls = 0;
    const url = await startUpstream((_req, res) => {
      calls += 1;
      res.end();
    });
    await gateway.addSandbox("box", url);
    const request = head(
      "POST /s/box/ HTTP/1.1",
      "Host: x",
      `Authorization: ${await gateway.authorization()}`,
      "Content-Length: 0",
    );
    const first = await RawConnection.open(gateway.port);
    const second = await RawConnection.open(gateway.port);
    const third = await sendRaw(gateway.port, request, { quietMs: 2_000 });
    expect(third).toMatchObject({ statuses: [503], closed: true });
    expect(third.text).toMatch(/\r\nretry-after: 1\r\n/);
    expect(third.text).toContain('"code":"RATE_006"');
    second.send(request);
    await second.received("200 OK");
    expect(calls).toBe(1);
    first.socket.destroy();
    await eventually(
      "there is room",
      async () => (await sendRaw(gateway.port, request, { quietMs: 100 })).statuses[0] === 200,
    );
  });

  test("from one address have a limit of their own", async () => {
    const gateway = await startTestGateway({ env: { MAX_CONNECTIONS_PER_IP: "2" } });
    const request = head("GET /health HTTP/1.1", "Host: x");
    await RawConnection.open(gateway.port);
    await RawConnection.open(gateway.port);
    const refused = new RawConnection(gateway.port);
    await refused.end();
    expect(refused.statuses).toEqual([429]);
    const neighbour = new RawConnection(gateway.port, { localAddress: "127.0.0.2" });
    await neighbour.send(request).received("200 OK");
  });
});

describe("a body that nobody may send", () => {
  test.each(["/s/box/", "/api/v1/sandbox/execute", "/nowhere"])(
    "to %s is not read, and its sender gets to read the 401",
    async (path) => {
      const gateway = await startTestGateway();
      await gateway.addSandbox("box", await startUpstream(sink));
      const sockets: Socket[] = [];
      const onRequest = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket);
      subscribe("http.server.request.start", onRequest);
      onTestFinished(() => void unsubscribe("http.server.request.start", onRequest));
      const flood = new RawConnection(gateway.port);
      flood.send(
        head(`POST ${path} HTTP/1.1`, "Host: x", "Content-Type: application/json", "Transfer-Encoding: chunked"),
      );
      const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
      const more = (): void => {
        while (!flood.closed && flood.socket.write(chunk));
      };
      flood.socket.on("drain", more);
      more();
      await flood.end();
      expect(flood.statuses).toEqual([401]);
      expect(flood.text).toMatch(/\r\nwww-authenticate: Bearer realm="sandboxgw"\r\n/);
      expect(flood.text).toMatch(/\r\nconnection: close\r\n/);
      expect(flood.text).toContain('"code":"AUTH_002"');
      expect(sockets).toHaveLength(1);
      expect(sockets[0]?.bytesRead).toBeLessThan(3 * 64 * 1024);
    },
  );
});

describe("an answer that comes before the body has been sent", () => {
  test.each([
    ["with a length", "Content-Length: 2\r\n\r\nno"],
    ["in chunks", "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"],
  ])("%s reaches the client, who is still sending, and ends the connection", async (_, rest) => {
    const gateway = await startTestGateway();
    const url = await startRawUpstream((socket) => {
      socket.once("data", () => void socket.write(`HTTP/1.1 403 Forbidden\r\n${rest}`));
    });
    await gateway.addSandbox("box", url);
    const authorization = await gateway.authorization();
    const connection = new RawConnection(gateway.port);
    connection.send(
      head("POST /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`, "Content-Length: 10000000"),
    );
    connection.send("x".repeat(1_000_000));
    await connection.end();
    expect(connection.statuses).toEqual([403]);
    expect(connection.text).toMatch(/\r\nconnection: close\r\n/i);
    expect(connection.text).toMatch(/no(\r\n0\r\n\r\n)?$/);
    expect(gateway.records()).toMatchObject([{ status: 403 }]);
  });
});

/** Answers slowly enough to be interrupted, in all the ways there are. */
async function answering(req: IncomingMessage, res: ServerResponse): Promise<void> {
  await readAll(req).catch(() => undefined);
  res.write("one ");
  setImmediate(() => res.end("two"));
}

/** Opens a connection, does something to it once these bytes are sent, and waits until it is closed. */
async function afterSending(port: number, bytes: string, then: (socket: Socket) => void): Promise<void> {
  const connection = await RawConnection.open(port);
  await new Promise((resolve) => connection.socket.write(bytes, "latin1", resolve));
  then(connection.socket);
  await connection.end();
}

/** All of `items`, fifty at a time. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += 50) await Promise.all(items.slice(from, from + 50).map(work));
}

async function attacked(): Promise<{ gateway: TestGateway; authorization: string }> {
  const gateway = await startTestGateway({ env: { MAX_CONNECTIONS_PER_IP: "10000", MAX_CONCURRENT_REQUESTS: "20" } });
  await gateway.addSandbox("box", await startUpstream((req, res) => void answering(req, res)));
  return { gateway, authorization: await gateway.authorization() };
}

describe("no request ends the process:", () => {
  test("an upload that is aborted, reset or half-closed after any of its bytes", async () => {
    const { gateway, authorization } = await attacked();
    const upload = `${head("POST /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`, "Transfer-Encoding: chunked")}5\r\nhello\r\n3;x=y\r\n...\r\n0\r\nServer-Timing: 1\r\n\r\n`;
    const ways = [
      (socket: Socket) => void socket.destroy(),
      (socket: Socket) => void socket.resetAndDestroy(),
      (socket: Socket) => void socket.end(),
    ];
    await eachOf(
      Array.from({ length: upload.length }, (_, index) => index + 1),
      (end) => afterSending(gateway.port, upload.slice(0, end), ways[end % ways.length] as (socket: Socket) => void),
    );
    expect(await nextStatus(gateway)).toBe(200);
  });

  test("a connection that is reset at any moment of a call", async () => {
    const { gateway, authorization } = await attacked();
    const fields = ["Host: x", `Authorization: ${authorization}`];
    const json = JSON.stringify({ sandbox_id: "box", operation: "run_code", payload: { code: "1" } });
    const calls = [
      head("GET /s/box/ HTTP/1.1", ...fields),
      head("GET /s/box/ HTTP/1.1", ...fields).repeat(3),
      `${head("POST /s/box/ HTTP/1.1", ...fields, "Content-Length: 5")}hello`,
      `${head("POST /api/v1/sandbox/execute HTTP/1.1", ...fields, "Content-Type: application/json", `Content-Length: ${json.length}`)}${json}`,
    ];
    const afterTurns = (turns: number, socket: Socket): void => {
      if (turns === 0) socket.resetAndDestroy();
      else setImmediate(afterTurns, turns - 1, socket);
    };
    await eachOf(
      Array.from({ length: 300 }, (_, index) => index),
      (index) =>
        afterSending(gateway.port, calls[index % calls.length] as string, (socket) => afterTurns(index % 60, socket)),
    );
    expect(await nextStatus(gateway)).toBe(200);
  });

  test("trailers, announced or not, of any name and value", async () => {
    const { gateway, authorization } = await attacked();
    const names = [
      "foo",
      "Trailer",
      "Host",
      "Content-Length",
      "Connection",
      "__proto__",
      "constructor",
      "X-\xff",
      "",
      "a b",
      "etag",
    ];
    const values = ["", "1", "foo", "\0", "\x7f", "a".repeat(20_000), "\r\n folded"];
    const requests = names.flatMap((name) =>
      values.map((value) => {
        const fields = ["Host: x", `Authorization: ${authorization}`, "Transfer-Encoding: chunked", `Trailer: ${name}`];
        return `${head("POST /s/box/ HTTP/1.1", ...fields)}5\r\nhello\r\n0\r\n${name}: ${value}\r\n\r\n`;
      }),
    );
    await eachOf(requests, async (bytes) => void (await sendRaw(gateway.port, bytes, { quietMs: 200 })));
    const { statuses } = await sendRaw(
      gateway.port,
      head("GET /s/box/ HTTP/1.1", "Host: x", `Authorization: ${authorization}`, "Trailer: foo", "Connection: close"),
    );
    expect(statuses).toEqual([200]);
    expect(await nextStatus(gateway)).toBe(200);
  });

  test("upgrades, expectations and CONNECT in the middle of other calls", async () => {
    const { gateway, authorization } = await attacked();
    const fields = ["Host: x", `Authorization: ${authorization}`];
    const firsts = [
      head("GET /s/box/ HTTP/1.1", ...fields),
      head("GET /s/box/ HTTP/1.1", ...fields, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
      head("POST /s/box/ HTTP/1.1", ...fields, "Expect: 100-continue", "Content-Length: 5"),
      head("GET /health HTTP/1.1", "Host: x"),
      "",
    ];
    const seconds = [
      head("CONNECT x:443 HTTP/1.1", "Host: x"),
      head("GET /s/box/ HTTP/1.1", ...fields, "Connection: Upgrade", "Upgrade: h2c"),
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      head("POST /s/box/ HTTP/1.1", ...fields, "Expect: 100-continue", "Transfer-Encoding: chunked"),
      "\0".repeat(1_000),
      "\r\n".repeat(1_000),
    ];
    const pairs = firsts.flatMap((first) => seconds.map((second) => first + second));
    await eachOf(pairs, async (bytes) => void (await sendRaw(gateway.port, bytes, { quietMs: 200 })));
    expect(await nextStatus(gateway)).toBe(200);
  });
});

test("a client that closes its side of the connection has left, even after a whole request: the call is cancelled", async () => {
  const gateway = await startTestGateway();
  await gateway.addSandbox("box", await startUpstream((req, res) => void (req.url === "/" ? res.end() : undefined)));
  const connection = await RawConnection.open(gateway.port);
  connection.socket.end(head("GET /s/box/slow HTTP/1.1", "Host: x", `Authorization: ${await gateway.authorization()}`));
  await eventually("it is recorded", () => gateway.records().length === 1);
  expect(gateway.records()).toMatchObject([{ outcome: "PROXY_005" }]);
  expect(await nextStatus(gateway)).toBe(200);
});
