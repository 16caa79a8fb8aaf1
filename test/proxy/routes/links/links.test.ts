import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { NewLink } from "../../../../src/control/verbs/links.ts";
import { eventually } from "../../../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../../support/gateway.ts";
import { RawConnection } from "../../../support/raw-connection.ts";
import { startUpstream } from "../../../support/upstream.ts";

const ANY: NewLink = { sandboxId: "box", port: null, methods: null, path: "/", subject: "ada", expiresInMs: 60_000 };

/** A gateway before an instance that tells what it was asked. */
async function opened(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env: { TOKEN_CLOCK_SKEW: "0", ...env } });
  const seen: string[] = [];
  const url = await startUpstream((req, res) => {
    seen.push(`${req.method} ${req.url} cookie=${req.headers.cookie ?? ""}`);
    res.end("fine");
  });
  await gateway.addSandbox("box", url);
  await gateway.addSandbox("other", url);
  const link = async (wanted: Partial<NewLink> = {}) => await gateway.verbs.links.create(ACTOR, { ...ANY, ...wanted });
  return { gateway, seen, link };
}

interface Asking {
  readonly host?: string;
  readonly method?: string;
  readonly fields?: readonly string[];
}

/** What a browser that navigates sends. */
const NAVIGATION = ["Sec-Fetch-Mode: navigate", "Accept: text/html"];

async function ask({ port }: TestGateway, target: string, { host = "gw", method = "GET", fields = [] }: Asking = {}) {
  const connection = await RawConnection.open(port);
  const head = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...fields];
  connection.send(`${head.join("\r\n")}\r\n\r\n`);
  await connection.end();
  const { text } = connection;
  const field = (name: string) => new RegExp(`^${name}: (.*)\r$`, "mi").exec(text)?.[1];
  const code = /"code":"(\w+)"/.exec(text)?.[1];
  return { status: connection.statuses[0], text, field, code };
}

describe("the first use of a link by a browser", () => {
  test("gives it a cookie for that sandbox alone and sends it to the URL without the link", async () => {
    const { gateway, seen, link } = await opened();
    const { text } = await link();
    const first = await ask(gateway, `/s/box/app?a=1&sgw_link=${text}&b=%2F`, { fields: NAVIGATION });
    expect([first.status, first.field("location")]).toEqual([303, "/s/box/app?a=1&b=%2F"]);
    expect(first.field("referrer-policy")).toBe("no-referrer");
    expect(first.field("cache-control")).toBe("no-store");
    const cookie = first.field("set-cookie") ?? "";
    expect(cookie).toMatch(/^sandboxgw_link=\S+; Path=\/s\/box\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
    expect(seen).toEqual([]);
    const [pair = ""] = cookie.split(";");
    const page = await ask(gateway, "/s/box/app?a=1&b=%2F", { fields: [`Cookie: mine="1; ${pair}; yours=2`] });
    expect(page.status).toBe(200);
    expect(seen).toEqual(['GET /app?a=1&b=%2F cookie=mine="1; yours=2']);
    expect(gateway.records().at(-1)).toMatchObject({ subject: "ada", sandbox: "box", path: "/s/box/app" });
  });

  test("leads to the folder where the link has no last slash, and by host to the whole origin", async () => {
    const { gateway, link } = await opened({ GATEWAY_DOMAIN: "gw.example", BROWSER_HOST_FORM: "false" });
    const { text } = await link();
    const bare = await ask(gateway, `/s/box?sgw_link=${text}`, { fields: NAVIGATION });
    expect(bare.field("location")).toBe("/s/box/");
    const host = "box.gw.example:8080";
    const byHost = await ask(gateway, `//evil.example/x?sgw_link=${text}`, { host, fields: NAVIGATION });
    expect(byHost.field("location")).toBe("http://box.gw.example:8080//evil.example/x");
    expect(byHost.field("set-cookie")).toContain("; Path=/; ");
  });

  test("behind a proxy that speaks https makes a cookie that is sent over https only", async () => {
    const { gateway, link } = await opened({ TRUSTED_PROXIES: "127.0.0.1" });
    const { text } = await link();
    const fields = [...NAVIGATION, "X-Forwarded-Proto: https"];
    expect((await ask(gateway, `/s/box/?sgw_link=${text}`, { fields })).field("set-cookie")).toMatch(/; Secure$/);
  });
});

describe("a link", () => {
  test("opens the sandbox at once to who is no browser, and the sandbox sees nothing of it", async () => {
    const { gateway, seen, link } = await opened();
    const { text } = await link();
    for (const query of [`?sgw_link=${text}`, `?sgw_link=${text}&x=1`, `?x=1&sgw_link=${text}`]) {
      expect((await ask(gateway, `/s/box/f${query}`, { method: "POST" })).status).toBe(200);
    }
    expect(seen).toEqual(["POST /f cookie=", "POST /f?x=1 cookie=", "POST /f?x=1 cookie="]);
  });

  test.each<[string, Partial<NewLink>, string, Asking, string]>([
    ["to another sandbox", {}, "/s/other/", {}, "ROUTE_001"],
    ["to a sandbox that there is not", {}, "/s/none/", {}, "ROUTE_001"],
    ["to the gateway's own pages", {}, "/api/v1/sandboxes", {}, "AUTH_003"],
    ["to execute", {}, "/api/v1/sandbox/execute", { method: "POST" }, "AUTH_003"],
    ["with another method", { methods: "GET" }, "/s/box/", { method: "POST" }, "AUTH_007"],
    ["beside its path", { path: "/files" }, "/s/box/", {}, "AUTH_007"],
    ["beside its path, which only begins alike", { path: "/files" }, "/s/box/files2", {}, "AUTH_007"],
    ["out of its path by encoded dots", { path: "/files" }, "/s/box/files/%2e%2e%2fx", {}, "AUTH_007"],
    ["out of it for who drops parameters first", { path: "/a" }, "/s/box/a/%2e%2e;%2fa/x", {}, "AUTH_007"],
    ["out of its path by dots encoded twice", { path: "/files" }, "/s/box/files/%252e%252e/x", {}, "AUTH_007"],
    ["out of its path by a parameter", { path: "/files" }, "/s/box/files/..;/x", {}, "AUTH_007"],
    ["out of its path by an encoded backslash", { path: "/files" }, "/s/box/files/..%5c../x", {}, "AUTH_007"],
    ["to another port", {}, "/s/box:9999/", {}, "ROUTE_009"],
  ])("is not good %s", async (_where, wanted, target, asking, code) => {
    const { gateway, seen, link } = await opened();
    const { text } = await link(wanted);
    expect((await ask(gateway, `${target}?sgw_link=${text}`, asking)).code).toBe(code);
    const fields = [`Cookie: sandboxgw_link=${text}`, "Sec-Fetch-Site: same-origin"];
    expect((await ask(gateway, target, { ...asking, fields })).code).toBe(code);
    expect(seen).toEqual([]);
  });

  test.each<[string, Partial<NewLink>, string, string]>([
    ["its path", { path: "/files" }, "/files", "GET"],
    ["below its path", { path: "/files" }, "/files/a%20b?c=..", "GET"],
    ["HEAD where it is for GET", { methods: "GET,POST" }, "/x", "HEAD"],
    ["any path that others read in two ways, where it is for all", {}, "/a/%2e%2e/b", "GET"],
  ])("is good for %s", async (_what, wanted, path, method) => {
    const { gateway, link } = await opened();
    const { text } = await link(wanted);
    const target = `/s/box${path}${path.includes("?") ? "&" : "?"}sgw_link=${text}`;
    expect((await ask(gateway, target, { method })).status).toBe(path.includes("%2e") ? 400 : 200);
  });

  test("twice in one URL is nobody's", async () => {
    const { gateway, link } = await opened();
    const { text } = await link();
    expect((await ask(gateway, `/s/box/?sgw_link=${text}&sgw_link=${text}`)).code).toBe("AUTH_005");
  });

  test("counts, whatever cookies an application has put beside its own, up to a few", async () => {
    const { gateway, link } = await opened();
    const { text } = await link();
    const shadows = "sandboxgw_link=shadow; sandboxgw_link=; x=1; sandboxgw_link=a.b";
    const fields = [`Cookie: ${shadows}`, `Cookie: sandboxgw_link=${text}`];
    expect((await ask(gateway, "/s/box/", { fields })).status).toBe(200);
    const many = [`Cookie: ${shadows}; ${shadows}; sandboxgw_link=${text}`];
    expect((await ask(gateway, "/s/box/", { fields: many })).status).toBe(401);
  });

  test("goes before the cookie of another one, so that a second link can be opened", async () => {
    const { gateway, link } = await opened();
    const [old, next] = [await link(), await link({ subject: "bob" })];
    const fields = [...NAVIGATION, `Cookie: sandboxgw_link=${old.text}`];
    const response = await ask(gateway, `/s/box/?sgw_link=${next.text}`, { fields });
    expect(response.field("set-cookie")).toContain(next.text);
  });

  test("opens a WebSocket, which ends when all links are revoked", async () => {
    const { gateway, link } = await opened();
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    server.on("connection", (socket, req) => socket.send(req.url ?? ""));
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await gateway.addSandbox("ws", `http://127.0.0.1:${port}`);
    const { text } = await link({ sandboxId: "ws" });
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/s/ws/chat?sgw_link=${text}&x=1`);
    const events: string[] = [];
    socket.on("message", (data: Buffer) => events.push(data.toString())).on("close", () => events.push("closed"));
    socket.on("error", () => undefined);
    await eventually("it is open", () => events.length === 1);
    await gateway.verbs.links.revokeAll(ACTOR);
    await gateway.feed.wake();
    await eventually("it has ended", () => events.length === 2);
    server.close();
    expect(events).toEqual(["/chat?x=1", "closed"]);
    expect((await ask(gateway, `/s/ws/?sgw_link=${text}`)).code).toBe("AUTH_001");
    const { text: fresh } = await link();
    expect((await ask(gateway, `/s/box/?sgw_link=${fresh}`)).status).toBe(200);
  });
});
