import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import type { SettingTexts } from "../../../../src/domain/settings/settings.ts";
import { ACTOR, startTestGateway } from "../../../support/gateway.ts";
import { eventually } from "../../../support/eventually.ts";
import { sendRaw } from "../../../support/raw-client.ts";
import { startRawUpstream, startUpstream } from "../../../support/upstream.ts";

const APP = "https://app.example";
const ASKS = {
  origin: APP,
  "access-control-request-method": "PUT",
  "access-control-request-headers": "x-one,authorization",
};
const GATEWAY: SettingTexts = { cors: "gateway", "cors-origins": `${APP},http://localhost:3000` };

interface Answer {
  readonly status: number;
  /** Fields in lower case; of several with one name all, with ", " between. */
  readonly fields: Readonly<Record<string, string>>;
  readonly body: string;
}

async function gatewayWith(settings: SettingTexts, handler?: (req: IncomingMessage, res: ServerResponse) => void) {
  const gateway = await startTestGateway();
  const got: { line: string; headers: IncomingHttpHeaders }[] = [];
  const upstream = await startUpstream((req, res) => {
    got.push({ line: `${req.method} ${req.url}`, headers: req.headers });
    if (handler !== undefined) return handler(req, res);
    res.setHeader("access-control-allow-origin", "https://evil.example");
    res.setHeader("access-control-allow-credentials", "true");
    res.setHeader("vary", "Accept");
    return res.end("hello");
  });
  await gateway.addSandbox("box", upstream);
  await gateway.addSandbox("plain", upstream);
  await gateway.verbs.sandboxes.update(ACTOR, "box", { settings });
  await gateway.feed.wake();
  const ask = async (line: string, fields: Readonly<Record<string, string>> = ASKS): Promise<Answer> => {
    const all = { host: "gw", connection: "close", ...fields };
    const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const { text, statuses } = await sendRaw(gateway.port, `${line} HTTP/1.1\r\n${head.join("")}\r\n`, {
      quietMs: 5000,
    });
    const [top = "", body = ""] = text.split("\r\n\r\n");
    const found: Record<string, string> = {};
    for (const one of top.split("\r\n").slice(1)) {
      const [name = "", ...value] = one.split(": ");
      const before = found[name.toLowerCase()];
      found[name.toLowerCase()] = (before === undefined ? "" : `${before}, `) + value.join(": ");
    }
    return { status: statuses[0] ?? 0, fields: found, body };
  };
  return { gateway, ask, got, authorization: await gateway.authorization() };
}

/** What an answer says to pages of other origins. */
function said({ fields }: Answer): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter(([name]) => name.startsWith("access-control-") || name === "vary"),
  );
}

describe("with a policy of the gateway's", () => {
  test("a preflight is answered without a token, and reaches nobody", async () => {
    const { ask, got, gateway } = await gatewayWith(GATEWAY);
    const answer = await ask("OPTIONS /s/box/x?y");
    expect(answer.status).toBe(204);
    expect(said(answer)).toEqual({
      vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
      "access-control-allow-origin": APP,
      "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
      "access-control-allow-headers": "x-one,authorization",
    });
    expect(answer.fields).not.toHaveProperty("content-length");
    expect(got).toEqual([]);
    expect(gateway.records()).toEqual([]);
  });

  test("it says what the policy says", async () => {
    const { ask } = await gatewayWith({
      ...GATEWAY,
      "cors-methods": "get,PUT",
      "cors-headers": "X-One",
      "cors-credentials": "true",
      "cors-max-age": "10m",
    });
    expect(said(await ask("OPTIONS /s/box/"))).toMatchObject({
      "access-control-allow-methods": "GET, PUT",
      "access-control-allow-headers": "x-one, authorization, x-sandbox-token",
      "access-control-allow-credentials": "true",
      "access-control-max-age": "600",
    });
  });

  test("answers carry the gateway's word alone, its refusals too", async () => {
    const { ask, authorization } = await gatewayWith({ ...GATEWAY, "cors-expose": "x-request-id" });
    const own = { "access-control-allow-origin": APP, "access-control-expose-headers": "x-request-id" };
    const answer = await ask("GET /s/box/", { origin: APP, authorization });
    expect(said(answer)).toEqual({ ...own, vary: "Accept, Origin" });
    expect(answer.body).toContain("hello");
    expect(said(await ask("GET /s/box/", { origin: "https://evil.example", authorization }))).toEqual({
      vary: "Accept, Origin",
    });
    expect(said(await ask("GET /s/box/", { authorization }))).toEqual({ vary: "Accept, Origin" });
    for (const [line, fields, status] of [
      ["GET /s/box/", { origin: APP }, 401],
      ["GET /s/box/", { origin: APP, authorization: "Bearer no" }, 401],
      ["GET /s/box", { origin: APP, authorization }, 308],
      ["GET /s/box/", { origin: APP, authorization, "x-request-timeout-ms": "none" }, 400],
    ] as const) {
      const refused = await ask(line, fields);
      expect([refused.status, said(refused)]).toEqual([status, { ...own, vary: "Origin" }]);
    }
    expect(said(await ask("GET /s/plain/", { origin: APP }))).toEqual({});
  });

  test("all origins are told so, without credentials whatever else is set", async () => {
    const { ask, authorization, gateway } = await gatewayWith({ cors: "gateway", "cors-origins": "*" });
    const wide = { host: null, path: "/wide", methods: "PUT", stripPrefix: false, sandboxId: "box" };
    await expect(
      gateway.verbs.routes.create(ACTOR, { ...wide, settings: { "cors-credentials": "true" } }),
    ).rejects.toMatchObject({ code: "VAL_010" });
    const answer = await ask("GET /s/box/", { origin: "https://any.example", authorization });
    expect(said(answer)).toEqual({ vary: "Accept", "access-control-allow-origin": "*" });
    expect(said(await ask("OPTIONS /s/box/"))).toMatchObject({ "access-control-allow-origin": "*" });
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "cors-origins": APP } });
    await gateway.verbs.routes.create(ACTOR, { ...wide, settings: { "cors-credentials": "true" } });
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "cors-origins": "*" } });
    await gateway.feed.wake();
    const both = said(await ask("OPTIONS /wide"));
    expect(both).toMatchObject({ "access-control-allow-origin": "*" });
    expect(both).not.toHaveProperty("access-control-allow-credentials");
  });

  test("a route's setting goes before its sandbox's, and a preflight is for the route of the method it asks about", async () => {
    const { ask, gateway, got } = await gatewayWith({});
    const route = { host: null, path: "/api2", stripPrefix: true, sandboxId: "box" };
    await gateway.verbs.routes.create(ACTOR, { ...route, methods: "PUT", settings: GATEWAY });
    await gateway.verbs.routes.create(ACTOR, { ...route, methods: "DELETE", sandboxId: "plain" });
    await gateway.feed.wake();
    expect((await ask("OPTIONS /api2/x")).status).toBe(204);
    expect((await ask("OPTIONS /api2/x", { ...ASKS, "access-control-request-method": "DELETE" })).status).toBe(401);
    expect((await ask("OPTIONS /api2/x", { ...ASKS, "access-control-request-method": "GET" })).status).toBe(401);
    expect((await ask("OPTIONS /s/box/x")).status).toBe(401);
    expect(got).toEqual([]);
  });
});

describe("a request without a token tells nothing of what is there", () => {
  test("unless it is a preflight, whole and nothing more, from an origin that has leave, where there is a policy", async () => {
    const { ask, got } = await gatewayWith(GATEWAY);
    const { origin, ...others } = ASKS;
    const refused = async (line: string, fields: Readonly<Record<string, string>>): Promise<void> => {
      const answer = await ask(line, fields);
      const absent = await ask(line.replace(/box|plain/, "none"), fields);
      expect([line, fields, answer.status]).toEqual([line, fields, absent.status]);
      expect(answer.body.replace(/req_\w+/, "")).toBe(absent.body.replace(/req_\w+/, ""));
      expect(answer.status).toBeGreaterThanOrEqual(400);
    };
    await refused("OPTIONS /s/plain/", ASKS);
    await refused("OPTIONS /s/box:81/", ASKS);
    await refused("OPTIONS /s/box/", { ...ASKS, origin: "https://evil.example" });
    await refused("OPTIONS /s/box/", { ...ASKS, origin: "null" });
    await refused("OPTIONS /s/box/", { ...ASKS, origin: "https://app.example.evil.example" });
    await refused("OPTIONS /s/box/", others);
    await refused("OPTIONS /s/box/", { origin });
    await refused("OPTIONS /s/box/", { ...ASKS, "access-control-request-method": "PUT, GET" });
    await refused("OPTIONS /s/box/", { ...ASKS, "access-control-request-headers": "a b" });
    await refused("OPTIONS /s/box/", { ...ASKS, "content-length": "1" });
    await refused("OPTIONS /s/box/", { ...ASKS, authorization: "Bearer no" });
    await refused("PUT /s/plain/", ASKS);
    await refused("OPTIONS /s/box/../plain/", ASKS);
    expect(got).toEqual([]);
  });
});

describe("a preflight that is passed", () => {
  const PASSED: SettingTexts = { cors: "passed" };

  test("reaches the instance with nothing but what it is made of, and only its word to other origins comes back", async () => {
    const { ask, got, gateway } = await gatewayWith(PASSED, (_req, res) => {
      res.writeHead(200, {
        "access-control-allow-origin": APP,
        "access-control-allow-methods": "PUT",
        vary: "Origin",
        "set-cookie": "secret=1",
        "x-secret": "2",
        "content-type": "text/plain",
      });
      res.end("secret");
    });
    const strays = { cookie: "a=b", "x-stray": "c", "x-forwarded-user": "d", "user-agent": "browser" };
    const answer = await ask("OPTIONS /s/box/x?y", { ...ASKS, ...strays });
    expect(answer).toMatchObject({ status: 204, body: "" });
    expect(said(answer)).toEqual({
      "access-control-allow-origin": APP,
      "access-control-allow-methods": "PUT",
      vary: "Origin",
    });
    for (const name of ["set-cookie", "x-secret", "content-type"]) expect(answer.fields).not.toHaveProperty(name);
    expect(got.map(({ line }) => line)).toEqual(["OPTIONS /x?y"]);
    expect(got[0]?.headers).toMatchObject({ ...ASKS, "user-agent": "browser" });
    for (const name of ["cookie", "x-stray", "x-forwarded-user"]) expect(got[0]?.headers).not.toHaveProperty(name);
    expect(gateway.records()).toEqual([
      expect.objectContaining({
        subject: "preflight",
        sandbox: "box",
        method: "OPTIONS",
        status: 204,
        decision: "allow",
      }),
    ]);
  });

  test("is no way to anything else: no other method, no body, no other sandbox", async () => {
    const { ask, got } = await gatewayWith(PASSED);
    for (const line of ["GET /s/box/", "POST /s/box/", "OPTIONS /s/plain/", "OPTIONS /s/none/"]) {
      expect((await ask(line)).status).toBe(401);
    }
    expect((await ask("OPTIONS /s/box/", { ...ASKS, "transfer-encoding": "chunked" })).status).toBe(401);
    expect((await ask("OPTIONS /s/box/", { ...ASKS, connection: "upgrade", upgrade: "websocket" })).status).not.toBe(
      101,
    );
    expect(got.every(({ headers }) => headers.upgrade === undefined)).toBe(true);
  });

  test("and is refused gives its status alone; one whose answer is too long, or that reaches nobody, an error without details", async () => {
    const { ask, gateway } = await gatewayWith(PASSED, (req, res) => {
      res.statusCode = req.url === "/no" ? 403 : 200;
      res.end(req.url === "/long" ? "x".repeat(100_000) : "secret");
    });
    expect(await ask("OPTIONS /s/box/no")).toMatchObject({ status: 403, body: "", fields: { "content-length": "0" } });
    const long = await ask("OPTIONS /s/box/long");
    expect(long.status).toBe(502);
    expect(long.body).not.toContain("xxx");
    await gateway.addSandbox("down", await startRawUpstream((socket) => void socket.end("garbage")));
    await gateway.verbs.sandboxes.update(ACTOR, "down", { settings: PASSED });
    await gateway.feed.wake();
    const down = await ask("OPTIONS /s/down/");
    expect(down.status).toBe(502);
    expect(JSON.parse(/\{.*\}/s.exec(down.body)?.[0] ?? "")).toMatchObject({ error: { details: "" } });
  });

  test("with a token is a call like any other", async () => {
    const { ask, got, authorization } = await gatewayWith(PASSED);
    const answer = await ask("OPTIONS /s/box/", { ...ASKS, authorization, "x-own": "1" });
    expect(answer.body).toContain("hello");
    expect(got[0]?.headers).toMatchObject({ "x-own": "1" });
  });

  test("waits for its turn like a call, and goes nowhere when the setting is gone by then", async () => {
    const gateway = await startTestGateway({ env: { MAX_CONCURRENT_REQUESTS: "1" } });
    const waiting: ServerResponse[] = [];
    await gateway.addSandbox("box", await startUpstream((_req, res) => void waiting.push(res)));
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: PASSED });
    await gateway.feed.wake();
    const authorization = await gateway.authorization();
    const first = fetch(`${gateway.url}/s/box/`, { headers: { authorization } });
    await eventually("the slot is taken", () => waiting.length === 1);
    const second = fetch(`${gateway.url}/s/box/`, { method: "OPTIONS", headers: ASKS });
    await eventually("the preflight waits", () => gateway.gateway.inFlight.size === 2);
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { cors: null } });
    await gateway.feed.wake();
    waiting[0]?.end();
    await (await first).arrayBuffer();
    expect((await second).status).toBe(401);
    expect(waiting).toHaveLength(1);
  });
});
