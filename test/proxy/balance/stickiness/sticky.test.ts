import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { ACTOR, startTestGateway } from "../../../support/gateway.ts";
import { sendRaw } from "../../../support/raw-client.ts";

/** An instance that tells its name and the Cookie it was sent, by HTTP and by WebSocket, and tries to set the gateway's. */
async function startNamed(name: string): Promise<string> {
  const server = createServer((req, res) => {
    const stolen = "sandboxgw_sticky_box=ins_x.1.y; Path=/";
    res.setHeader("set-cookie", ["own=1", stolen, `__Host-${stolen}`, `=${stolen}`]);
    res.end(JSON.stringify({ name, cookie: req.headers.cookie }));
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket, req) => socket.send(JSON.stringify({ name, cookie: req.headers.cookie })));
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A gateway before a sandbox of three instances with these settings. */
async function sticky(settings: Record<string, string>, env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env: { GATEWAY_DOMAIN: "gw.test", TRUSTED_PROXIES: "127.0.0.1", ...env } });
  const urls = await Promise.all(["a", "b", "c"].map(startNamed));
  const { verbs, feed } = gateway;
  await verbs.sandboxes.create(ACTOR, {
    id: "box",
    runtime: "generic",
    driver: "static",
    strategy: null,
    urls,
    settings,
  });
  await feed.wake();
  const authorization = await gateway.authorization();
  const ask = async (fields: Record<string, string> = {}, { path = "/s/box/", host = "x" } = {}) => {
    const lines = Object.entries({ authorization, ...fields }).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${lines.join("")}\r\n`;
    const { text } = await sendRaw(gateway.port, head, { quietMs: 5_000 });
    const told = [...text.matchAll(/^set-cookie: (.*)\r$/gim)].map((match) => match[1] as string);
    const answer = JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)) as { name: string; cookie?: string };
    const ours = told.filter((value) => value.includes("sandboxgw"));
    return { ...answer, told, ours, cookie: answer.cookie, given: ours[0]?.split(";")[0] };
  };
  const instances = async () => (await verbs.sandboxes.list(ACTOR)).find(({ id }) => id === "box")?.instances ?? [];
  const instanceOf = async (name: string) => (await instances())[["a", "b", "c"].indexOf(name)]?.id as string;
  const many = async (fields: Record<string, string> = {}, count = 6) => {
    const names: string[] = [];
    for (let call = 0; call < count; call++) names.push((await ask(fields)).name);
    return new Set(names);
  };
  return { gateway, ask, many, instances, instanceOf, authorization };
}

describe("a client that keeps its cookie", () => {
  test("stays on its instance, and the sandbox never sees or sets that cookie", async () => {
    const { ask, many } = await sticky({ sticky: "cookie", "sticky-ttl": "10m" });
    const first = await ask({ cookie: "mine=1" });
    expect(first.cookie).toBe("mine=1");
    expect(first.told).toEqual(["own=1; Path=/s/box/", expect.stringMatching(/^sandboxgw_sticky_box=ins_/)]);
    expect(first.ours[0]).toMatch(/; Path=\/s\/box\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
    const again = await ask({ cookie: `a=1; ${first.given}; sandboxgw_sticky_other=x; b=2` });
    expect(again).toMatchObject({ name: first.name, cookie: "a=1; b=2", ours: [] });
    expect((await ask({ cookie: first.given as string })).cookie).toBeUndefined();
    expect(await many({ cookie: first.given as string })).toEqual(new Set([first.name]));
    expect((await many()).size).toBe(3);
  });

  test("is told of it by host as of an origin of its own, over TLS for TLS alone", async () => {
    const { ask } = await sticky({ sticky: "cookie" });
    const at = { path: "/", host: "box.gw.test" };
    const first = await ask({ "x-forwarded-proto": "https" }, at);
    expect(first.ours[0]).toMatch(/; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure$/);
    for (let call = 0; call < 4; call++) {
      expect((await ask({ cookie: first.given as string }, at)).name).toBe(first.name);
    }
  });

  test("moves with its cookie when the instance is drained, and stays there when it is back", async () => {
    const { ask, many, gateway, instanceOf } = await sticky({ sticky: "cookie" });
    const first = await ask();
    const id = await instanceOf(first.name);
    await gateway.verbs.instances.update(ACTOR, id, { draining: true });
    await gateway.feed.wake();
    const moved = await ask({ cookie: first.given as string });
    expect(moved.name).not.toBe(first.name);
    expect(moved.ours).toHaveLength(1);
    await gateway.verbs.instances.update(ACTOR, id, { draining: false });
    await gateway.feed.wake();
    expect(await many({ cookie: moved.given as string })).toEqual(new Set([moved.name]));
  });

  test("moves when the instance is removed, or cannot be reached", async () => {
    const { ask, gateway, instanceOf } = await sticky({ sticky: "cookie" });
    const first = await ask();
    await gateway.verbs.instances.remove(ACTOR, await instanceOf(first.name));
    await gateway.feed.wake();
    const moved = await ask({ cookie: first.given as string });
    expect([moved.name === first.name, moved.ours.length]).toEqual([false, 1]);
  });

  test("whose cookie is forged is as good as new", async () => {
    const { many } = await sticky({ sticky: "cookie" });
    expect((await many({ cookie: `sandboxgw_sticky_box=ins_a.zzzzzz.${"A".repeat(43)}` })).size).toBe(3);
  });

  test("stays over a WebSocket too, and is given its cookie there", async () => {
    const { gateway, ask, authorization } = await sticky({ sticky: "cookie" });
    const open = async (cookie?: string) => {
      const headers = { authorization, ...(cookie !== undefined && { cookie }) };
      const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/s/box/live`, { headers });
      onTestFinished(() => socket.terminate());
      const [[answer], [said]] = await Promise.all([once(socket, "upgrade"), once(socket, "message")]);
      const told = (answer as { headers: Record<string, string[]> }).headers["set-cookie"];
      return { ...(JSON.parse(String(said)) as { name: string; cookie?: string }), told };
    };
    const first = await open();
    const given = first.told?.[0]?.split(";")[0] as string;
    expect(given).toMatch(/^sandboxgw_sticky_box=ins_/);
    for (let call = 0; call < 3; call++) {
      expect(await open(given)).toEqual({ name: first.name, told: undefined });
    }
    expect((await ask({ cookie: given })).name).toBe(first.name);
  });
});

test("a session by a field stays, moves when its instance fails, and tells the client nothing", async () => {
  const { ask, many, gateway, instanceOf } = await sticky({ sticky: "header:X-Room" });
  const first = await ask({ "x-room": "seven" });
  expect(first.ours).toEqual([]);
  expect(await many({ "x-room": "seven" })).toEqual(new Set([first.name]));
  const id = await instanceOf(first.name);
  await gateway.verbs.instances.update(ACTOR, id, { draining: true });
  await gateway.feed.wake();
  const [moved = ""] = await many({ "x-room": "seven" });
  expect(moved).not.toBe(first.name);
  await gateway.verbs.instances.update(ACTOR, id, { draining: false });
  await gateway.feed.wake();
  expect(await many({ "x-room": "seven" })).toEqual(new Set([moved]));
  expect((await many()).size).toBe(3);
});

test.each(["session", "user"])("a caller is known by its token where a sandbox is sticky by %s", async (by) => {
  const { gateway, many } = await sticky({ sticky: by });
  for (let caller = 0; caller < 3; caller++) {
    const authorization = await gateway.authorization();
    expect((await many({ authorization }, 4)).size).toBe(1);
  }
});

test("no sandbox is sent the cookie of another one, sticky or not", async () => {
  const { ask } = await sticky({});
  const sent = "sandboxgw_sticky_other=ins_a.1.b; a=sandboxgw; __Host-sandboxgw_session=x";
  expect((await ask({ cookie: sent })).cookie).toBe("a=sandboxgw");
});
