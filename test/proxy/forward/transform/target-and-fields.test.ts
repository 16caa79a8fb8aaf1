import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { SettingTexts } from "../../../../src/domain/settings/settings.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../../support/gateway.ts";
import { sendRaw } from "../../../support/raw-client.ts";
import { startUpstream } from "../../../support/upstream.ts";

async function transforming(gateway: TestGateway, document: unknown, settings: SettingTexts = {}): Promise<void> {
  const texts = { ...settings, transform: JSON.stringify(document) };
  await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: texts });
  await gateway.feed.wake();
}

/** The connection is closed when all has come. */
const PATIENT = { quietMs: 5_000 };

const DOCUMENT = {
  request: {
    path: { prefix: "/old", to: "/users/${principal}" },
    query: { remove: "debug", set: { by: "${role}" } },
    headers: {
      remove: ["x-gone"],
      rename: { "x-from": "x-to" },
      set: { "x-user": "${principal}", "x-told": "${sandbox} ${method} ${scheme} ${client_address} ${request_id}" },
    },
  },
  response: {
    headers: { remove: "server", set: { "x-frame-options": "DENY", "x-from": "${instance} ${status} ${principal}" } },
  },
};

test("path, query and fields are changed on the way there, and fields on the way back", async () => {
  const gateway = await startTestGateway();
  const seen: { url: string | undefined; headers: Record<string, unknown> }[] = [];
  const upstream = await startUpstream((req, res) => {
    seen.push({ url: req.url, headers: req.headers });
    // What a field is said to be of this connection alone would go, if it were the sandbox that had set it.
    const fields = ["Server", "leaky/1", "X-Frame-Options", "ALLOWALL", "Connection", "x-frame-options, x-from"];
    res.writeHead(201, fields).end("made");
  });
  await gateway.addSandbox("box", upstream);
  const authorization = await gateway.authorization();
  const ask = async (target: string, fields = "") => {
    const head = `POST ${target} HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nConnection: close, x-user\r\n`;
    const { text } = await sendRaw(gateway.port, `${head}${fields}Content-Length: 4\r\n\r\nbody`, PATIENT);
    return { text, ...(seen.at(-1) as (typeof seen)[number]) };
  };

  await transforming(gateway, DOCUMENT);
  const { text, url, headers } = await ask(
    "/s/box/old/a%2Fb?q=/&%64ebug=1",
    "X-User: mallory\r\nX_User: mallory\r\nX-Gone: 1\r\nX-From: 2\r\nX-To: 3\r\n",
  );
  const requestId = /^x-request-id: (req_\w+)\r$/im.exec(text)?.[1] as string;
  expect(url).toBe("/users/test-executor/a%2Fb?q=/&by=executor");
  expect(headers).toMatchObject({
    "x-user": "test-executor",
    "x-told": `box POST http 127.0.0.1 ${requestId}`,
    "x-to": "2",
    "x-request-id": requestId,
    "x-forwarded-prefix": "/s/box",
  });
  expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(["x-gone"]));
  expect(headers).not.toHaveProperty("x-from");
  expect(text).toMatch(/^HTTP\/1.1 201 /);
  expect(text).toMatch(/^x-frame-options: DENY\r$/im);
  expect(text).toMatch(/^x-from: ins_\w+ 201 test-executor\r$/im);
  expect(text).not.toMatch(/leaky|ALLOWALL/);
  expect(text).toMatch(/\r\n\r\n4\r\nmade\r\n0\r\n\r\n$/);

  await transforming(gateway, DOCUMENT, { "keep-prefix": "true" });
  expect((await ask("/s/box/old?")).url).toBe("/s/box/users/test-executor?by=executor");
  expect((await ask("/s/box/older")).url).toBe("/s/box/older?by=executor");

  await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { transform: null } });
  await gateway.feed.wake();
  expect((await ask("/s/box/old?debug")).url).toBe("/s/box/old?debug");
});

test("a path that could lead elsewhere is refused before anything is sent", async () => {
  const gateway = await startTestGateway({ env: { GATEWAY_DOMAIN: "sandboxes.test" } });
  let calls = 0;
  const upstream = await startUpstream((_req, res) => void res.end(String(++calls)));
  await gateway.addSandbox("box", upstream);
  await transforming(gateway, { request: { path: { prefix: "/public", to: "/" }, query: { set: { a: "1" } } } });
  const authorization = await gateway.authorization();
  const ask = async (target: string, method = "GET") =>
    (
      await sendRaw(
        gateway.port,
        `${method} ${target} HTTP/1.1\r\nHost: box.sandboxes.test\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
        PATIENT,
      )
    ).text;
  const refused = await ask("/public/../private");
  expect(refused).toMatch(/^HTTP\/1.1 422 /);
  expect(refused).toContain('"code":"VAL_012"');
  expect(refused).toContain('"executed":"no"');
  expect(calls).toBe(0);
  expect(await ask("*", "OPTIONS")).toMatch(/^HTTP\/1.1 200 /);
  expect(gateway.internalErrors).toEqual([]);
});

test("a WebSocket's handshake is changed as well, in fields, query and path", async () => {
  const gateway = await startTestGateway();
  const seen: (string | undefined)[] = [];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port: own } = server.address() as AddressInfo;
  server.on("connection", (socket, req) => {
    seen.push(req.url, req.headers["x-user"] as string);
    socket.on("message", (data: Buffer) => socket.send(data.toString()));
  });
  await gateway.addSandbox("box", `http://127.0.0.1:${own}`);
  await transforming(gateway, DOCUMENT);
  const headers = { authorization: await gateway.authorization() };
  const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/s/box/old/chat`, { headers });
  const answer = await new Promise<{ echo: string; frame: unknown }>((resolve, reject) => {
    let frame: unknown;
    client.on("upgrade", (res) => void (frame = res.headers["x-frame-options"]));
    client.on("open", () => client.send("hello"));
    client.on("message", (data: Buffer) => resolve({ echo: data.toString(), frame }));
    client.on("error", reject);
  });
  expect(answer).toEqual({ echo: "hello", frame: "DENY" });
  expect(seen).toEqual(["/users/test-executor/chat?by=executor", "test-executor"]);
  client.terminate();
  server.close();
});
