import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { ACTOR, startTestGateway, type TestGateway } from "../../../support/gateway.ts";
import { eventually } from "../../../support/eventually.ts";
import { RawConnection } from "../../../support/raw-connection.ts";
import { startUpstream } from "../../../support/upstream.ts";

const SAME_ORIGIN = { "sec-fetch-site": "same-origin" };

/** A gateway before an instance that tells which cookies it was sent. */
async function opened(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env: { TOKEN_CLOCK_SKEW: "0", ...env } });
  const seen: (string | undefined)[] = [];
  const url = await startUpstream((req, res) => {
    seen.push(req.headers.cookie);
    res.end("fine");
  });
  await gateway.addSandbox("box", url);
  return { gateway, seen };
}

const at = ({ url }: TestGateway) => `${url}/api/v1/session`;

/** Opens a session as a page does; `cookie`: what the browser keeps. */
async function open(gateway: TestGateway, headers: Record<string, string> = {}) {
  const authorization = headers["authorization"] ?? (await gateway.authorization());
  const response = await fetch(at(gateway), { method: "POST", headers: { ...headers, authorization } });
  const set = response.headers.getSetCookie();
  const body = (await response.json()) as Record<string, unknown>;
  return { response, set, body, id: String(body["session_id"]), cookie: set[0]?.split(";")[0] ?? "" };
}

const called = async (gateway: TestGateway, cookie: string, path = "/s/box/") =>
  (await fetch(`${gateway.url}${path}`, { headers: { cookie, ...SAME_ORIGIN } })).status;

describe("a session", () => {
  test("is opened with a token, in a cookie that scripts do not see, and good from the answer on", async () => {
    const { gateway, seen } = await opened();
    const authorization = await gateway.authorization("executor", { sandboxes: ["b*"] });
    const { response, set, body, id, cookie } = await open(gateway, { authorization });
    expect([response.status, response.headers.get("cache-control")]).toEqual([201, "no-store"]);
    expect(set).toEqual([
      expect.stringMatching(
        /^sandboxgw_session=ses_[0-9a-z]{20}\.[\w-]{43}; Path=\/; Max-Age=3\d{3}; HttpOnly; SameSite=Lax$/,
      ),
    ]);
    expect(body).toMatchObject({ subject: "test-executor", role: "executor", sandboxes: ["b*"], operations: null });
    expect(body).toMatchObject({ idle_timeout_ms: 1_800_000 });
    expect(JSON.stringify(body)).not.toContain(cookie.split(".")[1]);
    expect(await called(gateway, `mine="1; ${cookie}; yours`)).toBe(200);
    expect(seen).toEqual(['mine="1; yours']);
    expect(gateway.records().at(-1)).toMatchObject({ token_id: id, subject: "test-executor", sandbox: "box" });
    const shown = await fetch(at(gateway), { headers: { cookie, ...SAME_ORIGIN } });
    expect(await shown.json()).toEqual(body);
  });

  test("has a name over HTTPS that is good there alone", async () => {
    const { gateway } = await opened({ TRUSTED_PROXIES: "127.0.0.1" });
    const { set, cookie } = await open(gateway, { "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1" });
    expect(set[0]).toMatch(/^__Host-sandboxgw_session=ses_\S+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/);
    expect(await called(gateway, cookie)).toBe(200);
    expect(await called(gateway, cookie.replace("__Host-", ""))).toBe(401);
    const plain = await open(gateway);
    expect(await called(gateway, `__Host-${plain.cookie}`)).toBe(401);
  });

  test("is a new one each time, and ends the one before, whatever the browser shows and whoever it was", async () => {
    const { gateway } = await opened();
    const first = await open(gateway);
    const second = await open(gateway, { cookie: first.cookie, authorization: await gateway.authorization("viewer") });
    expect([second.response.status, second.body["subject"]]).toEqual([201, "test-viewer"]);
    expect([second.id === first.id, await called(gateway, first.cookie)]).toEqual([false, 401]);
    const wished = `sandboxgw_session=ses_00000000000000000000.${"A".repeat(43)}`;
    const third = await open(gateway, { cookie: wished });
    expect(third.cookie).not.toBe(wished);
    expect([await called(gateway, wished), await called(gateway, third.cookie)]).toEqual([401, 200]);
  });

  test("is found beside others of its name, which an application has set or left", async () => {
    const { gateway } = await opened();
    const old = await open(gateway);
    const good = await open(gateway, { cookie: old.cookie });
    const fakes = Array.from(
      { length: 60 },
      (_, n) => `sandboxgw_session=ses_${String(n).padStart(20, "0")}.${"A".repeat(43)}`,
    );
    expect(await called(gateway, [...fakes, old.cookie, good.cookie].join("; "))).toBe(200);
    const mallory = await open(gateway, { authorization: await gateway.authorization("viewer") });
    const shown = await fetch(at(gateway), {
      headers: { cookie: `${mallory.cookie}; ${good.cookie}`, ...SAME_ORIGIN },
    });
    expect(await shown.json()).toMatchObject({ session_id: good.id }); // longer paths come first, and ours is the shortest
  });

  test("ends when its browser ends it, which loses its cookie", async () => {
    const { gateway } = await opened();
    const { cookie, id } = await open(gateway);
    const ended = await fetch(at(gateway), { method: "DELETE", headers: { cookie, ...SAME_ORIGIN } });
    expect([ended.status, ended.headers.getSetCookie()]).toEqual([
      204,
      ["sandboxgw_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"],
    ]);
    expect(await called(gateway, cookie)).toBe(401);
    const records = gateway.allRecords().filter(({ target }) => target === id);
    expect(records).toMatchObject([
      { action: "session.create", actor: "test-executor", address: "127.0.0.1" },
      { action: "session.end", reason: "closed" },
    ]);
  });

  test.each([
    ["a session", "POST", 401, "AUTH_002"],
    ["a token", "GET", 404, "ROUTE_017"],
    ["a token", "DELETE", 404, "ROUTE_017"],
    ["a token", "PUT", 405, "ROUTE_003"],
  ])("is not to be had with %s and %s", async (what, method, status, code) => {
    const { gateway } = await opened();
    const { cookie } = await open(gateway);
    const headers = what === "a token" ? { authorization: await gateway.authorization() } : { cookie, ...SAME_ORIGIN };
    const response = await fetch(at(gateway), { method, headers });
    expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
      status,
      code,
    ]);
  });

  test("is not opened where nobody is asked who calls", async () => {
    const { gateway } = await opened({ AUTH_ENABLED: "false" });
    const response = await fetch(at(gateway), { method: "POST" });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain("AUTH_012");
    expect((await gateway.verbs.sessions.list(ACTOR, { subject: null })).length).toBe(0);
  });

  test("ends with its token and when it is killed: what reads and what is upgraded ends at once", async () => {
    const { gateway } = await opened();
    const server = new WebSocketServer({ port: 0 });
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await gateway.addSandbox("sockets", `http://127.0.0.1:${port}`);
    const streams = await startUpstream((_req, res) => void res.write("first"));
    await gateway.addSandbox("streams", streams);
    const { token, record } = await gateway.verbs.tokens.create(ACTOR, {
      subject: "ada",
      role: "executor",
      expiresInMs: 60_000,
      sandboxes: null,
      operations: null,
    });
    for (const end of ["killed", "revoked"]) {
      const { cookie, id } = await open(gateway, { authorization: `Bearer ${token}` });
      const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/s/sockets/`, {
        headers: { cookie, origin: `http://127.0.0.1:${gateway.port}` },
      });
      await once(socket, "open");
      const { body } = await fetch(`${gateway.url}/s/streams/`, { headers: { cookie, ...SAME_ORIGIN } });
      const reader = body?.getReader();
      await reader?.read();
      const closed = once(socket, "close");
      if (end === "killed") await gateway.verbs.sessions.end(ACTOR, id, "killed");
      else await gateway.verbs.tokens.revoke(ACTOR, record.id);
      await gateway.feed.wake();
      await closed;
      await expect(reader?.read()).rejects.toThrow(expect.any(Error));
      expect(await called(gateway, cookie)).toBe(401);
    }
    server.close();
  });

  test("that nobody waits for any more, because the connection was reset at some moment, harms nobody", async () => {
    const { gateway } = await opened({ SESSION_MAX_PER_SUBJECT: "5" });
    const authorization = await gateway.authorization();
    const { port } = gateway;
    const asking = `POST /api/v1/session HTTP/1.1\r\nHost: gw\r\nAuthorization: ${authorization}\r\nContent-Length: 2\r\n\r\n{}`;
    for (let n = 0; n < 40; n += 1) {
      const connection = await RawConnection.open(port);
      connection.send(asking.slice(0, n % 4 === 0 ? -1 : undefined));
      for (let turns = 0; turns < n; turns += 1) await new Promise((resolve) => void setImmediate(resolve));
      connection.socket.resetAndDestroy();
    }
    await eventually("all are over", () => gateway.gateway.inFlight.size === 0);
    const { response, cookie } = await open(gateway, { authorization });
    expect([response.status, await called(gateway, cookie)]).toEqual([201, 200]);
    expect(gateway.internalErrors).toEqual([]);
    expect(await gateway.verbs.sessions.list(ACTOR, { subject: null })).toHaveLength(5);
  });

  test("does not open a socket for a page of another origin, which is told so and not sent elsewhere", async () => {
    const { gateway } = await opened();
    const { cookie } = await open(gateway);
    for (const [headers, status] of [
      [{ cookie, origin: "http://evil.example" }, 403],
      [{ cookie }, 403],
      [{}, 401],
    ] as const) {
      const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/s/box`, { headers });
      const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number }];
      expect(response.statusCode).toBe(status);
    }
  });
});
