import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway } from "../../support/gateway.ts";
import { sendRaw } from "../../support/raw-client.ts";
import {
  closedPort,
  echo,
  readAll,
  startDeafUpstream,
  startRawUpstream,
  startScriptedUpstream,
  startUpstream,
} from "../../support/upstream.ts";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly rawHeaders: string[];
  readonly body: string;
}

async function throughGateway(path: string, init: RequestInit = {}, env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env });
  await gateway.addSandbox("box", await startUpstream(echo));
  const headers = new Headers(init.headers);
  headers.set("authorization", await gateway.authorization());
  const response = await fetch(`${gateway.url}${path}`, { ...init, headers });
  return { gateway, response, seen: (await response.clone().json()) as Seen };
}

describe("what reaches the sandbox", () => {
  test("is the rest of the path and the query, byte for byte", async () => {
    const { seen } = await throughGateway("/s/box/a%2Fb/c;d=1/?q=%00&x={y}|z");
    expect(seen.url).toBe("/a%2Fb/c;d=1/?q=%00&x={y}|z");
  });

  test("is the root when the path ends with the sandbox, where the client is sent with the slash first", async () => {
    const { response, seen } = await throughGateway("/s/box?x=1", { method: "POST", body: "b" });
    expect(new URL(response.url).pathname).toBe("/s/box/");
    expect(seen).toMatchObject({ method: "POST", url: "/?x=1", body: "b" });
  });

  test("is the whole path when the sandbox is named in a header", async () => {
    const { seen } = await throughGateway("/some/health?x", { headers: { "x-sandbox-id": "box" } });
    expect(seen.url).toBe("/some/health?x");
  });

  test("never carries the gateway's credentials or anything that speaks in the gateway's name", async () => {
    const { seen } = await throughGateway("/s/box/", {
      headers: {
        "x-forwarded-for": "1.2.3.4",
        "x-forwarded-user": "root",
        "x-sandbox-admin": "1",
        "x-request-id": "mine",
        forwarded: "for=1.2.3.4",
        "x-real-ip": "1.2.3.4",
      },
    });
    expect(seen.headers).not.toHaveProperty("authorization");
    expect(seen.headers).not.toHaveProperty("x-forwarded-user");
    expect(seen.headers).not.toHaveProperty("x-sandbox-admin");
    expect(seen.headers).not.toHaveProperty("forwarded");
    expect(seen.headers).not.toHaveProperty("x-real-ip");
    expect(seen.headers["x-forwarded-for"]).toBe("127.0.0.1");
    expect(seen.headers["x-request-id"]).toMatch(/^req_/);
    expect(seen.headers["x-sandbox-id"]).toBe("box");
    expect(seen.headers["via"]).toMatch(/^1\.1 sandboxgw-[0-9a-f]{8}$/);
  });

  test("has none of the fields that Connection declares hop-by-hop", async () => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await startUpstream(echo));
    const authorization = await gateway.authorization();
    const { text } = await sendRaw(
      gateway.port,
      `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close, X-Secret, x-request-id\r\nX-Secret: 1\r\nKeep-Alive: 1\r\nTE: gzip\r\n\r\n`,
    );
    const seen = JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)) as Seen;
    expect(seen.headers).not.toHaveProperty("x-secret");
    expect(seen.headers).not.toHaveProperty("keep-alive");
    expect(seen.headers).not.toHaveProperty("te");
    expect(seen.headers["x-request-id"]).toMatch(/^req_/);
  });

  test("keeps a body's length and bytes", async () => {
    const { seen } = await throughGateway("/s/box/", { method: "PUT", body: "x".repeat(300_000) });
    expect(seen.method).toBe("PUT");
    expect(seen.headers["content-length"]).toBe("300000");
    expect(seen.body).toBe("x".repeat(300_000));
  });

  test("is chunked when the client's body is", async () => {
    const body = new ReadableStream({
      start(controller) {
        for (const part of ["one ", "two ", "three"]) controller.enqueue(new TextEncoder().encode(part));
        controller.close();
      },
    });
    const { seen } = await throughGateway("/s/box/", { method: "POST", body, duplex: "half" });
    expect(seen.headers["transfer-encoding"]).toBe("chunked");
    expect(seen.body).toBe("one two three");
  });
});

test("a chunked body stays chunked whatever the values of fields say", async () => {
  const { seen } = await throughGateway("/s/box/", {
    method: "POST",
    headers: { "x-note": "content-length" },
    body: new Blob(["one two"]).stream(),
    duplex: "half",
  });
  expect(seen.headers["transfer-encoding"]).toBe("chunked");
  expect(seen.body).toBe("one two");
});

test.each(["POST", "PUT", "PATCH"])("a %s without a body says so, for servers that want to know", async (method) => {
  const { seen } = await throughGateway("/s/box/", { method });
  expect(seen.headers["content-length"]).toBe("0");
});

describe("what comes back", () => {
  test("keeps status, repeated fields and body, without the sandbox's hop-by-hop fields", async () => {
    const gateway = await startTestGateway();
    const url = await startScriptedUpstream(
      () =>
        "HTTP/1.1 418 Teapot\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Sandbox-Id: 1\r\nX-Request-Id: forged\r\nContent-Length: 3\r\n\r\nabc",
    );
    await gateway.addSandbox("box", url);
    const response = await fetch(`${gateway.url}/s/box/`, {
      headers: { authorization: await gateway.authorization() },
    });
    expect(response.status).toBe(418);
    expect(response.headers.getSetCookie()).toEqual(["a=1; Path=/s/box/", "b=2; Path=/s/box/"]);
    expect(response.headers.get("x-hop")).toBeNull();
    expect(response.headers.get("x-sandbox-id")).toBeNull();
    expect(response.headers.get("x-request-id")).toMatch(/^req_[0-9a-z]+$/);
    expect(await response.text()).toBe("abc");
  });

  test("streams: the client has the first event while the sandbox is still working", async () => {
    const gateway = await startTestGateway();
    let finish: (() => void) | undefined;
    const url = await startUpstream((_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write("data: first\n\n");
      finish = () => res.end("data: last\n\n");
    });
    await gateway.addSandbox("box", url);
    const response = await fetch(`${gateway.url}/s/box/`, {
      headers: { authorization: await gateway.authorization() },
    });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const text = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await text()).toBe("data: first\n\n");
    expect(gateway.records()).toHaveLength(0);
    finish?.();
    expect(await text()).toBe("data: last\n\n");
    expect((await reader.read()).done).toBe(true);
    expect(gateway.records()).toHaveLength(1);
  });

  test("has its head at once even when the body is long in coming", async () => {
    const gateway = await startTestGateway();
    const url = await startUpstream((_req, res) => {
      res.writeHead(200, { "content-length": "4" });
      res.flushHeaders();
    });
    await gateway.addSandbox("box", url);
    const response = await fetch(`${gateway.url}/s/box/`, {
      headers: { authorization: await gateway.authorization() },
    });
    expect(response.status).toBe(200);
    await response.body?.cancel();
  });

  test.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])("to %s with %i has no body and is recorded", async (method, status) => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await startUpstream((_req, res) => res.writeHead(status).end()));
    const headers = { authorization: await gateway.authorization() };
    const response = await fetch(`${gateway.url}/s/box/`, { method, headers });
    expect(response.status).toBe(status);
    expect(await response.text()).toBe("");
    expect(gateway.records()).toHaveLength(1);
  });

  test("waits for a slow reader instead of filling memory", async () => {
    const gateway = await startTestGateway();
    let written = 0;
    const url = await startUpstream((_req, res) => {
      const more = (): void => {
        while (written < 200_000_000) {
          written += 65_536;
          if (!res.write(Buffer.alloc(65_536))) return void res.once("drain", more);
        }
        res.end();
      };
      more();
    });
    await gateway.addSandbox("box", url);
    const socket = connect(gateway.port, "127.0.0.1");
    socket.write(`GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${await gateway.authorization()}\r\n\r\n`);
    await once(socket, "readable");
    let before = -1;
    await eventually("the sandbox's writing stops", () => {
      const still = written === before;
      before = written;
      return new Promise((resolve) => setTimeout(() => resolve(still && written > 0), 100));
    });
    expect(written).toBeLessThan(30_000_000);
    socket.destroy();
  });
});

describe("when an instance cannot be reached", () => {
  test("another one serves, whatever the method", async () => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await closedPort(), await startUpstream(echo), await closedPort());
    const authorization = await gateway.authorization();
    for (let round = 0; round < 6; round++) {
      const response = await fetch(`${gateway.url}/s/box/`, {
        method: "POST",
        body: "payload",
        headers: { authorization },
      });
      expect(response.status).toBe(200);
      expect(((await response.json()) as Seen).body).toBe("payload");
    }
  });

  test("and there is no other, the answer is 503 with Retry-After and says that nothing was executed", async () => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await closedPort());
    const response = await fetch(`${gateway.url}/s/box/`, {
      method: "POST",
      body: "x",
      headers: { authorization: await gateway.authorization() },
    });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toMatchObject({ error: { code: "PROXY_001", executed: "no", retryable: true } });
    expect(gateway.records()).toMatchObject([{ decision: "allow", outcome: "PROXY_001", status: 503 }]);
  });

  test("because connecting takes too long, the next one serves", async () => {
    const gateway = await startTestGateway({ env: { PROXY_CONNECT_TIMEOUT: "300ms" } });
    await gateway.addSandbox("box", await startDeafUpstream(), await startUpstream(echo));
    const authorization = await gateway.authorization();
    const statuses = [];
    for (let round = 0; round < 2; round++) {
      statuses.push((await fetch(`${gateway.url}/s/box/`, { headers: { authorization } })).status);
    }
    expect(statuses).toEqual([200, 200]);
  });
});

describe("when an instance breaks", () => {
  test("before its answer, a POST gets 502 with executed: maybe and reaches it once", async () => {
    const gateway = await startTestGateway();
    let calls = 0;
    const url = await startUpstream(async (req) => {
      await readAll(req);
      calls += 1;
      req.socket.destroy();
    });
    await gateway.addSandbox("box", url, url.replace("127.0.0.1", "localhost"));
    const headers = { authorization: await gateway.authorization() };
    const response = await fetch(`${gateway.url}/s/box/`, { method: "POST", body: "x", headers });
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code: "PROXY_002", executed: "maybe", retryable: false } });
    expect(calls).toBe(1);
  });

  test("before its answer, a GET is tried once more", async () => {
    const gateway = await startTestGateway();
    let calls = 0;
    const url = await startUpstream((req, res) => {
      calls += 1;
      if (calls === 1) req.socket.destroy();
      else res.end("second");
    });
    await gateway.addSandbox("box", url);
    const response = await fetch(`${gateway.url}/s/box/`, {
      headers: { authorization: await gateway.authorization() },
    });
    expect(await response.text()).toBe("second");
    expect(calls).toBe(2);
  });

  test.each([
    ["a declared length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"],
    ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n"],
  ])("in the middle of %s, the client sees a broken transfer", async (_, bytes) => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await startScriptedUpstream((_head, socket) => void socket.end(bytes)));
    const response = await fetch(`${gateway.url}/s/box/`, {
      headers: { authorization: await gateway.authorization() },
    });
    await expect(response.text()).rejects.toThrow("terminated");
    await eventually("it is recorded", () => gateway.records().length === 1);
    expect(gateway.records()).toMatchObject([{ outcome: "PROXY_002", status: 200 }]);
  });

  test("by saying nothing, the client gets 504 after the first-byte deadline", async () => {
    const gateway = await startTestGateway({ env: { PROXY_TIMEOUT: "300ms" } });
    await gateway.addSandbox("box", await startRawUpstream(() => undefined));
    const response = await fetch(`${gateway.url}/s/box/`, {
      headers: { authorization: await gateway.authorization() },
    });
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ error: { code: "PROXY_003", executed: "maybe" } });
  });

  test("by falling silent in the middle, the transfer is cut after the idle deadline", async () => {
    const gateway = await startTestGateway({ env: { PROXY_STREAM_IDLE_TIMEOUT: "300ms" } });
    await gateway.addSandbox(
      "box",
      await startScriptedUpstream(() => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"),
    );
    const response = await fetch(`${gateway.url}/s/box/`, {
      headers: { authorization: await gateway.authorization() },
    });
    await expect(response.text()).rejects.toThrow("terminated");
    await eventually("it is recorded", () => gateway.records().length === 1);
    expect(gateway.records()).toMatchObject([{ outcome: "PROXY_003" }]);
  });
});

test("a sandbox whose address is the gateway itself is told so at the second round, and takes no place away", async () => {
  const gateway = await startTestGateway({ env: { AUTH_ENABLED: "false" } });
  await gateway.addSandbox("loop", gateway.url);
  const response = await fetch(`${gateway.url}/any`, { headers: { "x-sandbox-id": "loop" } });
  expect(response.status).toBe(508);
  expect(await response.json()).toMatchObject({ error: { code: "ROUTE_007", executed: "no" } });
  await eventually("both rounds are recorded", () => gateway.records().length === 2);
  expect(Atomics.load(gateway.memory.slots.shared, 0)).toBe(0);
});

test("a client that goes away cancels the call at the sandbox", async () => {
  const gateway = await startTestGateway();
  let cancelled = false;
  const url = await startUpstream((req, res) => {
    res.write("first");
    req.socket.once("close", () => {
      cancelled = true;
    });
  });
  await gateway.addSandbox("box", url);
  const abort = new AbortController();
  const headers = { authorization: await gateway.authorization() };
  const response = await fetch(`${gateway.url}/s/box/`, { headers, signal: abort.signal });
  await response.body?.getReader().read();
  abort.abort();
  await eventually("the sandbox's connection closes", () => cancelled);
  await eventually("it is recorded", () => gateway.records().length === 1);
  expect(gateway.records()).toMatchObject([{ outcome: "PROXY_005" }]);
});

test("a body over the limit is refused before a byte of it reaches the sandbox, or cut when its length was not told", async () => {
  const gateway = await startTestGateway({ env: { MAX_BODY_SIZE: "1kb" } });
  let whole = 0;
  await gateway.addSandbox(
    "box",
    await startUpstream(async (req, res) => {
      await readAll(req).catch(() => undefined);
      if (req.complete) whole += 1;
      res.end();
    }),
  );
  const authorization = await gateway.authorization();
  const declared = await fetch(`${gateway.url}/s/box/`, {
    method: "POST",
    body: "x".repeat(1025),
    headers: { authorization },
  });
  expect(declared.status).toBe(413);
  const chunked = await sendRaw(
    gateway.port,
    `POST /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n${"x".repeat(2048)}\r\n0\r\n\r\n`,
  );
  expect(chunked.statuses).toEqual([413]);
  expect(whole).toBe(0);
});

test("a record that cannot be written turns a whole answer into 503, and the next call is refused before it is executed", async () => {
  let failing = true;
  let calls = 0;
  const gateway = await startTestGateway({
    transaction: (log) => (work) => {
      if (failing) throw new Error("disk full");
      return log.transaction(work);
    },
  });
  const url = await startUpstream((_req, res) => {
    calls += 1;
    res.end("done");
  });
  await gateway.addSandbox("box", url);
  const headers = { authorization: await gateway.authorization() };
  const first = await fetch(`${gateway.url}/s/box/`, { headers });
  expect(first.status).toBe(503);
  expect(await first.json()).toMatchObject({ error: { code: "GW_003", executed: "yes" } });
  const second = await fetch(`${gateway.url}/s/box/`, { headers });
  expect(await second.json()).toMatchObject({ error: { code: "GW_003", executed: "no" } });
  expect(calls).toBe(1);
  expect((await fetch(`${gateway.url}/health`)).status).toBe(503);
  failing = false;
  await eventually(
    "calls are taken again",
    async () => (await fetch(`${gateway.url}/s/box/`, { headers })).status === 200,
  );
  expect(gateway.records()[0]).toMatchObject({ status: 200, sandbox: "box" });
});
