import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { BUILT_IN_NAMES } from "../../../src/domain/role/role.ts";
import { createAuthority } from "../../support/certificates.ts";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startSecureUpstream } from "../../support/secure-upstream.ts";
import { closedPort, echo, startUpstream } from "../../support/upstream.ts";

const DOMAIN = { GATEWAY_DOMAIN: "gw.example", AUDIT_INTENT: "all" };

const portIn = (url: string): number => Number(new URL(url).port);

async function withPorts(gateway: TestGateway, id: string, ports: string | null): Promise<void> {
  await gateway.verbs.sandboxes.update(ACTOR, id, { settings: { ports } });
  await gateway.feed.wake();
}

/** What a raw request is answered with. */
async function ask(gateway: TestGateway, target: string, ...fields: string[]): Promise<string> {
  const connection = await RawConnection.open(gateway.port);
  const host = fields.some((field) => field.startsWith("Host:")) ? [] : ["Host: gw.example"];
  connection.send(`GET ${target} HTTP/1.1\r\n${[...host, ...fields].join("\r\n")}\r\nConnection: close\r\n\r\n`);
  await connection.end();
  return connection.text;
}

const named = (name: string): Promise<string> => startUpstream((_, res) => res.end(name));

const codeIn = (answer: string): string => /"code":"(\w+)"/.exec(answer)?.[1] ?? answer.slice(9, 12);

/** A gateway before a sandbox whose instance has a second server on another port, which is open to clients. */
async function twoServers() {
  const gateway = await startTestGateway({ env: DOMAIN });
  const seen: string[] = [];
  const server = (name: string) =>
    startUpstream((req, res) => {
      seen.push(`${name} ${req.headers.host} ${req.url} ${String(req.headers["x-forwarded-prefix"] ?? "-")}`);
      res.setHeader("set-cookie", "sid=1; Path=/app");
      res.writeHead(302, { location: `http://${req.headers.host}/login` }).end(name);
    });
  const [own, other] = [await server("own"), await server("other")];
  await gateway.addSandbox("box", own);
  await withPorts(gateway, "box", String(portIn(other)));
  const authorization = `Authorization: ${await gateway.authorization()}`;
  return { gateway, seen, own: portIn(own), other: portIn(other), authorization };
}

describe("another port of a sandbox is reached", () => {
  test("by path, with the port in all that is said of where it is", async () => {
    const { gateway, seen, own, other, authorization } = await twoServers();
    const answer = await ask(gateway, `/s/box:${other}/a//b%2F?c`, authorization);
    expect(seen).toEqual([`other 127.0.0.1:${other} /a//b%2F?c /s/box:${other}`]);
    expect(answer).toContain(`location: /s/box:${other}/login\r\n`);
    expect(answer).toContain(`set-cookie: sid=1; Path=/s/box:${other}/app\r\n`);
    expect(await ask(gateway, `/s/box:${own}/`, authorization)).toContain(`location: /s/box:${own}/login\r\n`);
    expect(await ask(gateway, "/s/box/", authorization)).toContain("location: /s/box/login\r\n");
    expect(seen.slice(1)).toEqual([`own 127.0.0.1:${own} / /s/box:${own}`, `own 127.0.0.1:${own} / /s/box`]);
    const folder = await ask(gateway, `/s/box:${other}?q`, authorization);
    expect(folder).toMatch(new RegExp(`^HTTP/1.1 308 [^]*location: /s/box:${other}/\\?q\r\n`));
  });

  test("by host, where nothing is put right but its own address", async () => {
    const { gateway, seen, other, authorization } = await twoServers();
    const answer = await ask(gateway, "/s/box/a", authorization, `Host: ${other}-box.gw.example:8080`);
    expect(seen).toEqual([`other 127.0.0.1:${other} /s/box/a -`]);
    expect(answer).toContain("location: /login\r\n");
    expect(answer).toContain("set-cookie: sid=1; Path=/app\r\n");
  });

  test("by fields", async () => {
    const { gateway, seen, own, other, authorization } = await twoServers();
    for (const port of [other, own]) {
      await ask(gateway, "/a", authorization, "X-Sandbox-Id: box", `X-Sandbox-Port: ${port}`);
    }
    expect(seen).toEqual([`other 127.0.0.1:${other} /a -`, `own 127.0.0.1:${own} /a -`]);
  });

  test("and its records name it, the one of the start too", async () => {
    const { gateway, own, other, authorization } = await twoServers();
    for (const port of [other, own]) await ask(gateway, `/s/box:${port}/`, authorization);
    const records = gateway.allRecords().filter(({ kind }) => kind === "start" || kind === "proxy");
    expect(records.map(({ kind, sandbox, port = "own" }) => [kind, sandbox, port])).toEqual([
      ["start", "box", other],
      ["proxy", "box", other],
      ["start", "box", "own"],
      ["proxy", "box", "own"],
    ]);
  });

  test("over connections of its own, however calls follow each other", async () => {
    const gateway = await startTestGateway();
    const [own, other] = [await named("own"), await named("other")];
    await gateway.addSandbox("box", own);
    await withPorts(gateway, "box", `${portIn(other)}`);
    const authorization = await gateway.authorization();
    const at = async (path: string) =>
      await (await fetch(`${gateway.url}${path}`, { headers: { authorization } })).text();
    const answers: string[] = [];
    for (let index = 0; index < 6; index++)
      answers.push(await at(index % 2 === 0 ? "/s/box/" : `/s/box:${portIn(other)}/`));
    expect(answers).toEqual(["own", "other", "own", "other", "own", "other"]);
    const paths = Array.from({ length: 40 }, (_, index) => (index % 3 === 0 ? "/s/box/" : `/s/box:${portIn(other)}/`));
    expect(await Promise.all(paths.map(at))).toEqual(paths.map((path) => (path === "/s/box/" ? "own" : "other")));
  });

  test("by TLS where the instance is", async () => {
    const authority = createAuthority();
    const issued = authority.issue(["127.0.0.1"]);
    const [own, other] = [await startSecureUpstream(issued), await startSecureUpstream(issued)];
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", `https://127.0.0.1:${own}`);
    const authorization = `Authorization: ${await gateway.authorization()}`;
    await withPorts(gateway, "box", `${other}`);
    expect(codeIn(await ask(gateway, `/s/box:${other}/`, authorization))).toBe("PROXY_009");
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "tls-ca": authority.certificate } });
    await gateway.feed.wake();
    expect(await ask(gateway, `/s/box:${other}/`, authorization)).toContain(`"host":"127.0.0.1:${other}"`);
  });

  test("by WebSocket, which is cut when the port is taken back", async () => {
    const gateway = await startTestGateway({ env: DOMAIN });
    const server = createServer();
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    await once(server.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    await gateway.addSandbox("box", await startUpstream(echo));
    await withPorts(gateway, "box", `${port}`);
    const headers = { authorization: await gateway.authorization() };
    const url = `ws://127.0.0.1:${gateway.port}`;
    const opened = async (path: string, host = "gw.example"): Promise<WebSocket> => {
      const socket = new WebSocket(`${url}${path}`, { headers: { ...headers, host } });
      await once(socket, "open");
      socket.send("hello");
      expect(String((await once(socket, "message"))[0])).toBe("hello");
      return socket;
    };
    const [byPath, byHost] = [await opened(`/s/box:${port}/`), await opened("/", `${port}-box.gw.example`)];
    const closed = Promise.all([once(byPath, "close"), once(byHost, "close")]);
    await withPorts(gateway, "box", `${port - 1}`);
    await closed;
    expect(gateway.records().map(({ outcome, port: at }) => [outcome, at])).toEqual([
      ["ROUTE_009", port],
      ["ROUTE_009", port],
    ]);
  });
});

describe("no port is reached", () => {
  test("that is not listed, whoever asks, and nobody learns more than that", async () => {
    const { gateway, seen, other, authorization } = await twoServers();
    const closed = portIn(await closedPort());
    const foreign = `Authorization: ${await gateway.authorization("admin", { sandboxes: ["else"] })}`;
    const asked: [target: string, ...fields: string[]][] = [
      [`/s/box:${closed}/`, authorization],
      [`/s/box:${gateway.port}/`, authorization],
      ["/s/box:0/", authorization],
      ["/s/box:65536/", authorization],
      ["/s/box:080/", authorization],
      ["/s/box:+80/", authorization],
      ["/s/box:%38080/", authorization],
      [`/s/box:${"9".repeat(3_000)}/`, authorization],
      ["/", authorization, "Host: 0-box.gw.example"],
      ["/", authorization, `Host: ${closed}-box.gw.example`],
      ["/", authorization, "X-Sandbox-Id: box", `X-Sandbox-Port: ${closed}`],
      ["/", authorization, "X-Sandbox-Id: box", "X-Sandbox-Port: \u0666"],
    ];
    const answers = await Promise.all(asked.map((each) => ask(gateway, ...each)));
    expect(answers.map(codeIn)).toEqual(asked.map(() => "ROUTE_009"));
    const told = answers.map((answer) => answer.slice(answer.indexOf("{")).replace(/req_\w+/, ""));
    expect(new Set(told).size).toBe(1);
    const strangers = [`/s/box:${other}/`, `/s/box:${closed}/`, `/s/none:${other}/`];
    for (const target of strangers) expect(codeIn(await ask(gateway, target, foreign))).toBe("ROUTE_001");
    expect(
      codeIn(await ask(gateway, "/", authorization, "X-Sandbox-Id: box", "X-Sandbox-Port: 1", "X-Sandbox-Port: 1")),
    ).toBe("VAL_001");
    expect(seen).toEqual([]);
    expect(gateway.allRecords().filter(({ kind }) => kind === "start")).toEqual([]);
  });

  test("by those who may not use the proxy", async () => {
    const { gateway, seen, other } = await twoServers();
    const codes: string[] = [];
    for (const role of BUILT_IN_NAMES) {
      const narrowed = await gateway.authorization(role, { operations: ["run_code"] });
      codes.push(codeIn(await ask(gateway, `/s/box:${other}/`, `Authorization: ${narrowed}`)));
    }
    expect(codes).toEqual(BUILT_IN_NAMES.map((role) => (role === "viewer" ? "AUTH_003" : "AUTH_004")));
    expect(seen).toEqual([]);
  });

  test("of an instance that the daemon starts", async () => {
    const gateway = await startTestGateway();
    await gateway.verbs.sandboxes.create(ACTOR, {
      id: "own",
      runtime: "generic",
      driver: "wasm",
      strategy: null,
      urls: [],
    });
    await gateway.feed.wake();
    const authorization = `Authorization: ${await gateway.authorization()}`;
    expect(codeIn(await ask(gateway, "/s/own:80/", authorization))).toBe("ROUTE_009");
    await expect(withPorts(gateway, "own", "80")).rejects.toThrow("have no ports");
  });

  test("at an address that the target policy denies by now", async () => {
    const { gateway, seen, other, authorization } = await twoServers();
    await ask(gateway, `/s/box:${other}/`, authorization);
    const denied = await startTestGateway({ env: { TARGET_DENY: "127.0.0.0/8" } });
    gateway.gateway.reconfigure(denied.config);
    expect(codeIn(await ask(gateway, `/s/box:${other}/`, authorization))).toBe("PROXY_008");
    expect(seen).toHaveLength(1);
  });

  test("that was taken back while the call waited for its turn", async () => {
    const gateway = await startTestGateway({ env: { MAX_CONCURRENT_REQUESTS: "1" } });
    const held: (() => void)[] = [];
    const own = await startUpstream((_, res) => void held.push(() => res.end()));
    let asked = 0;
    const other = await startUpstream((_, res) => {
      asked += 1;
      res.end();
    });
    await gateway.addSandbox("box", own);
    await withPorts(gateway, "box", `${portIn(other)}`);
    const headers = { authorization: await gateway.authorization() };
    const first = fetch(`${gateway.url}/s/box/`, { headers });
    await eventually("the first is there", () => held.length === 1);
    const second = fetch(`${gateway.url}/s/box:${portIn(other)}/`, { headers });
    await eventually("the second waits", () => gateway.gateway.inFlight.size === 2);
    await withPorts(gateway, "box", null);
    expect(codeIn(await (await second).text())).toBe("ROUTE_009");
    held[0]?.();
    expect((await first).status).toBe(200);
    expect(asked).toBe(0);
  });
});

test("a port at which nobody listens says nothing of its instance: no circuit opens, and it is not down", async () => {
  const gateway = await startTestGateway({ env: { CIRCUIT_FAILURE_THRESHOLD: "2", MAX_RETRIES: "0" } });
  await gateway.addSandbox("box", await named("a"), await named("b"));
  const nobody = portIn(await closedPort());
  await withPorts(gateway, "box", `${nobody}`);
  const headers = { authorization: await gateway.authorization() };
  for (let index = 0; index < 12; index++) {
    const answer = await fetch(`${gateway.url}/s/box:${nobody}/`, { headers });
    expect([answer.status, codeIn(await answer.text())]).toEqual([503, "PROXY_001"]);
  }
  const health = (await (await fetch(`${gateway.url}/health/sandboxes`)).json()) as object;
  expect(JSON.stringify(health)).toContain('"instances_down":0');
  const answers = new Set<string>();
  for (let index = 0; index < 4; index++) answers.add(await (await fetch(`${gateway.url}/s/box/`, { headers })).text());
  expect([...answers].toSorted()).toEqual(["a", "b"]);
});
