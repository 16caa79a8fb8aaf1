import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { closedPort, startUpstream } from "../../support/upstream.ts";

async function add(gateway: TestGateway, id: string, labels: string, ...urls: string[]): Promise<void> {
  const at = urls.length > 0 ? urls : [await startUpstream((_, res) => res.end(id))];
  await gateway.verbs.sandboxes.create(ACTOR, {
    id,
    runtime: "generic",
    driver: "static",
    strategy: null,
    urls: at,
    labels,
  });
  await gateway.feed.wake();
}

/** A gateway before five sandboxes, each of which answers with its id. */
async function fleet(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env });
  await add(gateway, "py-1", "language=python,tier=gpu");
  await add(gateway, "py-2", "language=python,tier=gpu");
  await add(gateway, "py-3", "language=python");
  await add(gateway, "js-1", "language=js,tier=gpu");
  await add(gateway, "plain", "");
  const authorization = await gateway.authorization();
  const narrowed = async (...sandboxes: string[]) => await gateway.authorization("executor", { sandboxes });
  const ask = async (selector: string, as = authorization, more: Record<string, string> = {}) =>
    await fetch(`${gateway.url}/a`, { headers: { authorization: as, "x-sandbox-selector": selector, ...more } });
  /** Which sandboxes answer, of forty calls. */
  const answering = async (selector: string, as = authorization): Promise<string[]> => {
    const answers = new Set<string>();
    for (let call = 0; call < 40; call++) answers.add(await (await ask(selector, as)).text());
    return [...answers].toSorted();
  };
  return { gateway, authorization, narrowed, ask, answering };
}

const codeOf = async (answer: Response): Promise<string> => {
  const { error } = (await answer.json()) as { error: { code: string } };
  return error.code;
};

describe("a selector", () => {
  test("finds all sandboxes that have all of the labels, and the answer and the record name the one it was", async () => {
    const { gateway, ask, answering } = await fleet();
    expect(await answering("language=python,tier=gpu")).toEqual(["py-1", "py-2"]);
    expect(await answering(" tier = gpu ")).toEqual(["js-1", "py-1", "py-2"]);
    const answer = await ask("language=js");
    expect([answer.headers.get("x-sandbox-id"), await answer.text()]).toEqual(["js-1", "js-1"]);
    expect(gateway.records().at(-1)).toMatchObject({ kind: "proxy", sandbox: "js-1", status: 200, path: "/a" });
  });

  test("finds only those of the caller, and answers as if there were no others", async () => {
    const { narrowed, ask, answering } = await fleet();
    expect(await answering("language=python", await narrowed("py-2", "js-*"))).toEqual(["py-2"]);
    const bodies: string[] = [];
    for (const selector of ["language=python", "tier=gpu", "no=such", "language=none,tier=gpu"]) {
      const answer = await ask(selector, await narrowed("other-*"));
      expect(answer.status).toBe(404);
      bodies.push((await answer.text()).replace(/req_\w+/, ""));
    }
    expect(new Set(bodies).size).toBe(1);
    expect(bodies[0]).toContain('"ROUTE_010"');
  });

  test("is nobody's who may not use the proxy", async () => {
    const { gateway, ask } = await fleet();
    expect(await codeOf(await ask("tier=gpu", await gateway.authorization("viewer")))).toBe("AUTH_003");
    const operations = await gateway.authorization("executor", { operations: ["run_code"] });
    expect(await codeOf(await ask("tier=gpu", operations))).toBe("AUTH_004");
    expect(await codeOf(await ask("no=such", operations))).toBe("AUTH_004");
    expect((await fetch(`${gateway.url}/a`, { headers: { "x-sandbox-selector": "tier=gpu" } })).status).toBe(401);
  });

  test("follows labels that change, sandboxes that come and go, and a snapshot that is replaced whole", async () => {
    const { gateway, ask, answering } = await fleet();
    await gateway.verbs.sandboxes.update(ACTOR, "py-1", { labels: "language=js" });
    await gateway.verbs.sandboxes.remove(ACTOR, "py-2");
    await gateway.feed.wake();
    expect(await codeOf(await ask("language=python,tier=gpu"))).toBe("ROUTE_010");
    expect(await answering("language=js")).toEqual(["js-1", "py-1"]);
    gateway.gateway.replace(await gateway.store.snapshot(0));
    expect(await answering("language=js")).toEqual(["js-1", "py-1"]);
    await add(gateway, "py-4", "language=python,tier=gpu");
    expect(await answering("language=python,tier=gpu")).toEqual(["py-4"]);
  });

  test("that is none is refused", async () => {
    const { ask } = await fleet();
    const long = `${"a=b,".repeat(70)}a=b`;
    const none = [
      "",
      ",",
      "python",
      "=python",
      "a=b,",
      "a=b=c",
      "a=b,a=c",
      "a=b;c=d",
      "a!=b",
      "__proto__=x",
      "a=\xe4",
      "a=*",
    ];
    for (const selector of [...none, long]) {
      const answer = await ask(selector);
      expect([selector, answer.status, await codeOf(answer)]).toEqual([selector, 400, "VAL_010"]);
    }
  });

  test("beside anything else that says where to go is refused", async () => {
    const { gateway, authorization } = await fleet({ GATEWAY_DOMAIN: "gw.example" });
    const asked = [
      ["/a", "gw.example", "X-Sandbox-Id: py-1"],
      ["/a", "gw.example", "X-Sandbox-Id: "],
      ["/s/py-1/", "gw.example"],
      ["/s/py-1:80/", "gw.example"],
      ["/s/", "gw.example"],
      ["/", "py-1.gw.example"],
      ["/", "80-py-1.gw.example"],
      ["/health", "gw.example"],
      ["/api/v1/sandboxes", "gw.example"],
      ["/api/v1/sandbox/execute", "gw.example"],
      ["/a", "gw.example", "X-Sandbox-Selector: tier=gpu"],
    ] as const;
    const codes: string[] = [];
    for (const [target, host, ...more] of asked) {
      const connection = await RawConnection.open(gateway.port);
      const fields = [`Host: ${host}`, `Authorization: ${authorization}`, "X-Sandbox-Selector: tier=gpu", ...more];
      connection.send(`GET ${target} HTTP/1.1\r\n${fields.join("\r\n")}\r\nConnection: close\r\n\r\n`);
      await connection.end();
      codes.push(/"code":"(\w+)"/.exec(connection.text)?.[1] ?? connection.text);
    }
    expect(codes).toEqual([
      ...Array.from({ length: 4 }, () => "ROUTE_008"),
      "ROUTE_001",
      ...Array.from({ length: 5 }, () => "ROUTE_008"),
      "VAL_001",
    ]);
  });

  test("goes with a port: to one of those that have it", async () => {
    const { gateway, ask } = await fleet();
    const other = Number(new URL(await startUpstream((_, res) => res.end("other"))).port);
    expect(await codeOf(await ask("tier=gpu", undefined, { "x-sandbox-port": `${other}` }))).toBe("ROUTE_009");
    await gateway.verbs.sandboxes.update(ACTOR, "js-1", { settings: { ports: `${other}` } });
    await gateway.feed.wake();
    for (let call = 0; call < 10; call++) {
      const answer = await ask("tier=gpu", undefined, { "x-sandbox-port": `${other}` });
      expect([answer.headers.get("x-sandbox-id"), await answer.text()]).toEqual(["js-1", "other"]);
    }
  });

  test("goes for WebSockets too", async () => {
    const { gateway, authorization } = await fleet();
    const server = createServer();
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    await once(server.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
    });
    await add(gateway, "ws", "kind=socket", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const headers = { authorization, "x-sandbox-selector": "kind=socket" };
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/`, { headers });
    const upgraded = once(socket, "upgrade");
    await once(socket, "open");
    expect((await upgraded)[0]).toMatchObject({ headers: { "x-sandbox-id": "ws" } });
    socket.send("hello");
    expect(String((await once(socket, "message"))[0])).toBe("hello");
    socket.close();
  });
});

describe("of several sandboxes", () => {
  test("those with fewer requests in flight get more", async () => {
    const gateway = await startTestGateway();
    const counts = new Map<string, ServerResponse[]>();
    for (const id of ["a", "b", "c", "d"]) {
      const held: ServerResponse[] = [];
      counts.set(id, held);
      await add(gateway, id, "pool=one", await startUpstream((_, res) => held.push(res)));
    }
    const headers = { authorization: await gateway.authorization(), "x-sandbox-selector": "pool=one" };
    const answers: Promise<Response>[] = [];
    const arrived = (): number => [...counts.values()].reduce((sum, held) => sum + held.length, 0);
    for (let call = 1; call <= 24; call++) {
      answers.push(fetch(`${gateway.url}/`, { headers }));
      await eventually("it has come", () => arrived() === call);
    }
    // At random, one of four would have nine or more of 24 more often than not; of two at random the idler one never lags.
    for (const held of counts.values()) expect(held.length).toBeGreaterThanOrEqual(4);
    for (const held of counts.values()) for (const res of held) res.end();
    await Promise.all(answers);
  });

  test("one that is drained or cannot be reached gets nothing while another can be used", async () => {
    const { gateway, answering } = await fleet({ MAX_RETRIES: "0" });
    await add(gateway, "gone", "language=js,tier=none", await closedPort());
    await fetch(`${gateway.url}/s/gone/`, { headers: { authorization: await gateway.authorization() } });
    const [drained] = await gateway.store.sandboxes.find("py-1").then((sandbox) => sandbox?.instances ?? []);
    await gateway.verbs.instances.update(ACTOR, drained?.id as string, { draining: true });
    await gateway.feed.wake();
    expect(await answering("language=python,tier=gpu")).toEqual(["py-2"]);
    const answers = await answering("language=js");
    expect(answers.filter((answer) => !answer.includes("PROXY_001"))).toEqual(["js-1"]);
  });

  test("when none can be used the call is told so", async () => {
    const gateway = await startTestGateway();
    await add(gateway, "gone", "pool=one", await closedPort());
    const headers = { authorization: await gateway.authorization(), "x-sandbox-selector": "pool=one" };
    for (let call = 0; call < 3; call++) {
      const answer = await fetch(`${gateway.url}/`, { headers });
      expect([answer.status, await codeOf(answer)]).toEqual([503, "PROXY_001"]);
    }
    expect(gateway.records().map(({ sandbox }) => sandbox)).toEqual(["gone", "gone", "gone"]);
  });
});
