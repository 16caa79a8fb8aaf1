import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { parseGrant } from "../../../src/domain/role/grant-text.ts";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

const role = (name: string, grant: string) => ({ name, grants: [parseGrant(grant)] });

/** Two sandboxes of one instance, whose streams have no end. */
async function start() {
  const arrived: string[] = [];
  const upstream = await startUpstream((req, res) => {
    arrived.push(`${req.method} ${req.url}`);
    req.resume();
    if (req.url === "/stream") res.write("first");
    else if (req.url !== "/hangs" && req.url !== "/execute") res.end("fine");
  });
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(sockets, "listening");
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  onTestFinished(() => sockets.close());
  const gateway = await startTestGateway();
  await gateway.addSandbox("py-1", upstream);
  await gateway.addSandbox("js-1", upstream);
  const { port } = sockets.address() as { port: number };
  await gateway.addSandbox("ws-1", `http://127.0.0.1:${port}`);
  return { gateway, arrived };
}

async function withRole(gateway: TestGateway, grant: string): Promise<string> {
  await gateway.verbs.roles.create(ACTOR, role("ci", grant));
  await gateway.feed.wake();
  return await gateway.authorization("ci");
}

async function opened(url: string, authorization: string): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const { body } = await fetch(url, { headers: { authorization } });
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  onTestFinished(async () => reader.cancel().catch(() => undefined));
  await reader.read();
  return reader;
}

const ended = (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> =>
  reader.read().then(
    ({ done }) => (done ? "whole" : "more"),
    () => "cut",
  );

const ALL = "sandbox:execute,sandbox:proxy sandboxes=*-1";

test("a role that gives less ends what it gives no more, and leaves the rest", async () => {
  const { gateway, arrived } = await start();
  const authorization = await withRole(gateway, ALL);
  const kept = await opened(`${gateway.url}/s/py-1/stream`, authorization);
  const lost = await opened(`${gateway.url}/s/js-1/stream`, authorization);
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/s/ws-1/`, { headers: { authorization } });
  await once(socket, "open");
  const hangs = fetch(`${gateway.url}/s/js-1/hangs`, { headers: { authorization } }).then(
    ({ status }) => status,
    () => "cut",
  );
  await eventually("it waits at the instance", () => arrived.includes("GET /hangs"));
  const closed = once(socket, "close");
  await gateway.verbs.roles.update(ACTOR, role("ci", "sandbox:proxy sandboxes=py-*"));
  await gateway.feed.wake();
  expect(await ended(lost)).toBe("cut");
  await closed;
  expect(await hangs).toBe(404);
  expect((await fetch(`${gateway.url}/s/js-1/`, { headers: { authorization } })).status).toBe(404);
  expect((await fetch(`${gateway.url}/s/py-1/`, { headers: { authorization } })).status).toBe(200);
  await gateway.verbs.roles.remove(ACTOR, "ci", { force: true });
  await gateway.feed.wake();
  expect(await ended(kept)).toBe("cut");
  const refused = await fetch(`${gateway.url}/s/py-1/`, { headers: { authorization } });
  expect([refused.status, await refused.json()]).toMatchObject([403, { error: { code: "AUTH_003" } }]);
});

test("a call whose operation its role gives no more, while it waits for its turn, is never sent", async () => {
  const { gateway, arrived } = await start();
  const authorization = await withRole(gateway, ALL);
  const headers = { authorization, "content-type": "application/json" };
  const upload = new TransformStream<Uint8Array, Uint8Array>();
  const writer = upload.writable.getWriter();
  const text = JSON.stringify({ sandbox_id: "py-1", operation: "run_command", payload: { command: "ls" } });
  const answer = fetch(`${gateway.url}/api/v1/sandbox/execute`, {
    method: "POST",
    headers,
    body: upload.readable,
    duplex: "half",
  });
  await writer.write(new TextEncoder().encode(text.slice(0, 9)));
  await eventually("it is on its way", () => gateway.gateway.inFlight.size > 0);
  await gateway.verbs.roles.update(ACTOR, role("ci", "sandbox:execute operations=run_code"));
  await gateway.feed.wake();
  await writer.write(new TextEncoder().encode(text.slice(9)));
  await writer.close();
  const { status, code } = await answer.then(async (response) => ({
    status: response.status,
    code: ((await response.json()) as { error: { code: string } }).error.code,
  }));
  expect([status, code, arrived]).toEqual([403, "AUTH_004", []]);
});

test("records name the grant that decided", async () => {
  const { gateway } = await start();
  await gateway.verbs.roles.create(ACTOR, {
    name: "two",
    grants: [parseGrant("sandbox:read"), parseGrant("sandbox:proxy sandboxes=py-*")],
  });
  await gateway.feed.wake();
  const authorization = await gateway.authorization("two");
  await (await fetch(`${gateway.url}/s/py-1/`, { headers: { authorization } })).text();
  expect(gateway.records().at(-1)).toMatchObject({ role: "two", decision: "allow", rule: "role:two#2" });
});
