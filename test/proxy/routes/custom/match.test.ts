import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { NewRoute } from "../../../../src/control/verbs/routes.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../../support/gateway.ts";
import { eventually } from "../../../support/eventually.ts";
import { sendRaw } from "../../../support/raw-client.ts";
import { startUpstream } from "../../../support/upstream.ts";

interface Answer {
  readonly status: number;
  /** The code of a refusal, or which sandbox was asked for what. */
  readonly said: string;
  readonly head: string;
  /** The fields that the sandbox got. */
  readonly got: Readonly<Record<string, string>>;
}

/** An application that says by its name what it was asked for, and answers as `x-answer` fields tell it to. */
function application(name: string): Promise<string> {
  return startUpstream((req, res) => {
    const fields = Object.fromEntries(Object.entries(req.headers).filter(([field]) => field.startsWith("x-answer-")));
    for (const [field, value] of Object.entries(fields)) res.setHeader(field.slice("x-answer-".length), String(value));
    res.end(JSON.stringify({ said: `${name} ${req.method} ${req.url}`, got: req.headers }));
  });
}

async function gatewayWith(routes: readonly Partial<NewRoute>[], env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env });
  for (const name of ["one", "two"]) await gateway.addSandbox(name, await application(name));
  for (const route of routes) await addRoute(gateway, route);
  const authorization = await gateway.authorization();
  return { gateway, authorization, ask: asker(gateway, authorization) };
}

async function addRoute(gateway: TestGateway, route: Partial<NewRoute>): Promise<string> {
  const whole = { sandboxId: "one", host: null, path: "/", methods: null, stripPrefix: false, ...route };
  const { route: added } = await gateway.verbs.routes.create(ACTOR, whole);
  await gateway.feed.wake();
  return added.id;
}

function asker({ port }: TestGateway, authorization: string) {
  return async (line: string, fields: Readonly<Record<string, string>> = {}): Promise<Answer> => {
    const [method, target] = line.split(" ");
    const all = { host: "gw", authorization, connection: "close", ...fields };
    const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const { text, statuses } = await sendRaw(port, `${method} ${target} HTTP/1.1\r\n${head.join("")}\r\n`, {
      quietMs: 5000,
    });
    const [top = "", body = ""] = text.split(/\r\n\r\n/);
    const json = JSON.parse(/\{.*\}/s.exec(body)?.[0] ?? "{}") as {
      said?: string;
      got?: Record<string, string>;
      error?: { code: string };
    };
    return { status: statuses[0] ?? 0, said: json.said ?? json.error?.code ?? "", head: top, got: json.got ?? {} };
  };
}

const said = async (answer: Promise<Answer>): Promise<string> => (await answer).said;

describe("a request", () => {
  test("goes by the host's own routes first, then by the longest path in whole segments, then by its method", async () => {
    const { ask } = await gatewayWith([
      { path: "/shop" },
      { path: "/shop/api", sandboxId: "two" },
      { path: "/shop/api", methods: "DELETE" },
      { host: "a.example", path: "/shop", sandboxId: "two" },
    ]);
    expect(await said(ask("GET /shop/x?y=/../%2F"))).toBe("one GET /shop/x?y=/../%2F");
    expect(await said(ask("GET /shop"))).toBe("one GET /shop");
    expect(await said(ask("GET /shop?q"))).toBe("one GET /shop?q");
    expect(await said(ask("GET /shop/api/1"))).toBe("two GET /shop/api/1");
    expect(await said(ask("DELETE /shop/api/1"))).toBe("one DELETE /shop/api/1");
    expect(await said(ask("GET /shop/apis"))).toBe("one GET /shop/apis");
    expect(await said(ask("GET /shopping"))).toBe("ROUTE_002");
    expect(await said(ask("GET /Shop"))).toBe("ROUTE_002");
    expect(await said(ask("GET /shop/x", { host: "A.example.:80" }))).toBe("two GET /shop/x");
    expect(await said(ask("GET /shop/api", { host: "a.example" }))).toBe("two GET /shop/api");
    expect(await said(ask("GET /x", { host: "a.example" }))).toBe("ROUTE_002");
    expect(await said(ask("GET http://a.example/shop", { host: "a.example" }))).toBe("two GET /shop");
  });

  test("of another method than a route's goes to a shorter path that takes it, or is told which there are", async () => {
    const { ask } = await gatewayWith([
      { path: "/a", methods: "GET" },
      { path: "/b", methods: "PUT" },
      { path: "/b/c", methods: "GET", sandboxId: "two" },
    ]);
    expect(await said(ask("PUT /b/c"))).toBe("one PUT /b/c");
    expect((await ask("HEAD /a")).status).toBe(200);
    const refused = await ask("POST /a/x");
    expect(refused).toMatchObject({ status: 405, said: "ROUTE_003" });
    expect(refused.head).toMatch(/\r\nallow: GET, HEAD\r\n/i);
    expect(await said(ask("POST /a", { "x-sandbox-id": "two" }))).toBe("two POST /a");
  });

  test("for one of the gateway's own pages never goes by a route, unless the whole host is a sandbox's", async () => {
    const { ask } = await gatewayWith([{}, { host: "a.example", sandboxId: "two" }]);
    expect(await said(ask("GET /x"))).toBe("one GET /x");
    expect((await ask("GET /health")).head).not.toContain("via");
    expect(await said(ask("GET /health/none"))).toBe("ROUTE_002");
    expect(await said(ask("GET /api/none"))).toBe("ROUTE_002");
    expect(await said(ask("GET /s/none/"))).toBe("ROUTE_001");
    expect(await said(ask("GET /s"))).toBe("ROUTE_002");
    expect(await said(ask("GET /api/v1/sandbox/execute"))).toBe("ROUTE_003");
    for (const path of ["/health", "/api/v1/sandboxes", "/s/one/"]) {
      expect(await said(ask(`GET ${path}`, { host: "a.example" }))).toBe(`two GET ${path}`);
    }
  });

  test("that names its sandbox in a field is not asked about routes of no host, and must agree with its host's", async () => {
    const { ask } = await gatewayWith([{ path: "/a" }, { host: "a.example", sandboxId: "two" }]);
    expect(await said(ask("GET /a/x", { "x-sandbox-id": "two" }))).toBe("two GET /a/x");
    expect(await said(ask("GET /a/x", { "x-sandbox-id": "two", host: "a.example" }))).toBe("two GET /a/x");
    expect(await said(ask("GET /a/x", { "x-sandbox-id": "one", host: "a.example" }))).toBe("ROUTE_008");
    expect(await said(ask("GET /a/x", { "x-sandbox-port": "80" }))).toBe("ROUTE_008");
  });

  test("whose path others could read as another route's is refused", async () => {
    const { ask } = await gatewayWith([{ path: "/a" }, { path: "/a/b", sandboxId: "two" }]);
    const refused = ["/a%2fb", "/a%2Fx", "/%61/x", "/a%00", "/a%00/x", "/a;x/y", "/a%3bx/y", "/a%5cx", "/a/..%2fb"];
    refused.push("/a/%2e%2e/b", "/a/../b", "/a/./x", "/a/..;/b", "/x/../a", "//a", "/%2561", "/a/b%2Fx", "/a/%62");
    refused.push("/a/..%2fapi/v1/sandboxes", "/a/..%252fx");
    for (const path of refused) expect([path, await said(ask(`GET ${path}`))]).toEqual([path, "VAL_001"]);
  });

  test("whose path has one meaning is forwarded byte for byte", async () => {
    const { ask } = await gatewayWith([{ path: "/a" }, { path: "/a/b", sandboxId: "two" }]);
    for (const path of ["/a/x%2Fy", "/a/x%2e%2ey", "/a//x", "/a/x;y", "/a/%00", "/a/..a/%5C", "/a/x%20%C3%A4"]) {
      expect(await said(ask(`GET ${path}`))).toBe(`one GET ${path}`);
    }
  });
});

describe("behind a route", () => {
  test("whose prefix is stripped an application is told where it is, and what it says of its paths is put right", async () => {
    const { ask } = await gatewayWith([{ path: "/shop/v1", stripPrefix: true }]);
    const answer = await ask("GET /shop/v1/x?y", {
      "x-answer-location": "/login",
      "x-answer-set-cookie": "a=b; Path=/",
    });
    expect(answer.said).toBe("one GET /x?y");
    expect(answer.got).toMatchObject({ "x-forwarded-prefix": "/shop/v1", "x-sandbox-id": "one" });
    expect(answer.head).toMatch(/\r\nlocation: \/shop\/v1\/login\r\n/i);
    expect(answer.head).toMatch(/\r\nset-cookie: a=b; Path=\/shop\/v1\/\r\n/i);
    expect(await said(ask("GET /shop/v1/"))).toBe("one GET /");
    expect(await said(ask("GET /shop/v1//x"))).toBe("one GET //x");
    const redirected = await ask("POST /shop/v1?q");
    expect(redirected.status).toBe(308);
    expect(redirected.head).toMatch(/\r\nlocation: \/shop\/v1\/\?q\r\n/i);
  });

  test("that keeps its prefix an application gets the whole path, also of the prefix alone, and names paths as its clients do", async () => {
    const { ask } = await gatewayWith([{ path: "/v1/chat" }]);
    const answer = await ask("POST /v1/chat?q", {
      "x-answer-location": "/v1/chat/2",
      "x-answer-set-cookie": "a=b; Path=/",
    });
    expect(answer.said).toBe("one POST /v1/chat?q");
    expect(answer.got).not.toHaveProperty("x-forwarded-prefix");
    expect(answer.head).toMatch(/\r\nlocation: \/v1\/chat\/2\r\n/i);
    expect(answer.head).toMatch(/\r\nset-cookie: a=b; Path=\/v1\/chat\r\n/i);
    for (const location of ["/v1/models?x#y", "http://gw/v1/models", "../models", "/"]) {
      const led = await ask("GET /v1/chat/", { "x-answer-location": location });
      expect(led.head.toLowerCase()).toContain(`\r\nlocation: ${location}\r\n`);
    }
    const inside = await ask("GET /v1/chat/", { "x-answer-set-cookie": "a=b; Path=/v1/chat/x" });
    expect(inside.head).toMatch(/\r\nset-cookie: a=b; Path=\/v1\/chat\/x\r\n/i);
  });

  test("of a whole host an application has the origin to itself", async () => {
    const { ask } = await gatewayWith([{ host: "a.example", stripPrefix: true }]);
    const answer = await ask("GET /x", {
      host: "a.example",
      "x-answer-location": "/login",
      "x-answer-set-cookie": "a=b; Path=/; Domain=example",
    });
    expect(answer.said).toBe("one GET /x");
    expect(answer.got).not.toHaveProperty("x-forwarded-prefix");
    expect(answer.head).toMatch(/\r\nlocation: \/login\r\n/i);
    expect(answer.head).toMatch(/\r\nset-cookie: a=b; Path=\/\r\n/i);
  });

  test("its settings go before the sandbox's, and only there", async () => {
    const { ask, gateway } = await gatewayWith([
      { path: "/a", settings: { "host-header": "route.example" } },
      { path: "/b" },
      { path: "/c", settings: { "total-timeout": "40ms" } },
    ]);
    await gateway.verbs.sandboxes.update(ACTOR, "one", { settings: { "host-header": "box.example" } });
    await gateway.feed.wake();
    expect((await ask("GET /a/")).got).toMatchObject({ host: "route.example" });
    expect((await ask("GET /b/")).got).toMatchObject({ host: "box.example" });
    expect((await ask("GET /c/", { "x-request-timeout-ms": "41" })).said).toBe("VAL_010");
    expect((await ask("GET /a/", { "x-request-timeout-ms": "41000" })).said).toBe("one GET /a/");
  });
});

describe("a route to a sandbox that is not the caller's", () => {
  test("is like none at all", async () => {
    const { gateway, ask } = await gatewayWith([
      { path: "/mine" },
      { path: "/mine/theirs", sandboxId: "two" },
      { path: "/theirs", sandboxId: "two", methods: "GET", stripPrefix: true },
      { host: "theirs.example", sandboxId: "two" },
    ]);
    const narrow = asker(gateway, await gateway.authorization("executor", { sandboxes: ["one"] }));
    const viewer = asker(gateway, await gateway.authorization("viewer", { sandboxes: ["one"] }));
    expect(await said(ask("GET /theirs/x"))).toBe("two GET /x");
    for (const caller of [narrow, viewer]) {
      for (const path of ["/theirs", "/theirs/", "/theirs%2fx", "/%74heirs", "/theirs/../mine"]) {
        const [theirs, none] = [await caller(`GET ${path}`), await caller(`GET ${path.replace(/heirs/, "hoirs")}`)];
        expect([path, theirs.status, theirs.said]).toEqual([path, none.status, none.said]);
      }
      expect(await said(caller("POST /theirs"))).toBe("ROUTE_002");
      expect(await said(caller("GET /x", { host: "theirs.example" }))).toBe("ROUTE_002");
    }
    expect(await said(narrow("GET /mine/theirs"))).toBe("one GET /mine/theirs");
    expect(await said(viewer("GET /mine"))).toBe("AUTH_003");
    expect(await said(narrow("GET /theirs", { authorization: "Bearer no" }))).toBe("AUTH_001");
  });
});

describe("a change of the routes", () => {
  test("is in force for the next request, and a removed sandbox's routes do not lead to the next of that name", async () => {
    const { gateway, ask } = await gatewayWith([]);
    expect(await said(ask("GET /a/"))).toBe("ROUTE_002");
    const id = await addRoute(gateway, { path: "/a" });
    expect(await said(ask("GET /a/"))).toBe("one GET /a/");
    await gateway.verbs.routes.remove(ACTOR, id);
    await gateway.feed.wake();
    expect(await said(ask("GET /a/"))).toBe("ROUTE_002");
    await addRoute(gateway, { path: "/a" });
    await gateway.verbs.sandboxes.remove(ACTOR, "one");
    await gateway.feed.wake();
    await gateway.addSandbox("one", await application("new"));
    expect(await said(ask("GET /a/"))).toBe("ROUTE_002");
  });

  test("reaches calls that still wait: they find nothing where their route was", async () => {
    const { gateway, ask } = await gatewayWith([{ path: "/a" }], { MAX_CONCURRENT_REQUESTS: "1" });
    let answer: (() => void) | undefined;
    await gateway.addSandbox("slow", await startUpstream((_req, res) => void (answer = () => res.end("{}"))));
    const first = ask("GET /s/slow/");
    await eventually("the slot is taken", () => answer !== undefined);
    const second = ask("GET /a/");
    await eventually("another waits", () => gateway.gateway.inFlight.size === 2);
    const [route] = await gateway.verbs.routes.list(ACTOR);
    await gateway.verbs.routes.remove(ACTOR, route?.id as string);
    await gateway.feed.wake();
    answer?.();
    await first;
    expect(await said(second)).toBe("ROUTE_002");
  });
});

test("a WebSocket goes by a route as any call does", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  onTestFinished(() => server.close());
  server.on("connection", (socket, { url = "" }) => socket.send(url));
  const { gateway, authorization } = await gatewayWith([]);
  await gateway.addSandbox("live", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await addRoute(gateway, { path: "/live", stripPrefix: true, sandboxId: "live" });
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/live/x?y`, { headers: { authorization } });
  const [message] = (await once(socket, "message")) as [Buffer];
  expect(message.toString()).toBe("/x?y");
  socket.terminate();
});
