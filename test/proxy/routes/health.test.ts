import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { closedPort, startRawUpstream, startUpstream } from "../../support/upstream.ts";
import { FLAG } from "../../../src/daemon/shared-memory/layout.ts";

async function page(gateway: TestGateway, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(gateway.url + path);
  expect(response.headers.get("content-type")).toBe("application/json");
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test("a new gateway is well, and its four pages say so without being asked who calls", async () => {
  const gateway = await startTestGateway();
  expect(await page(gateway, "/health")).toEqual({
    status: 200,
    body: { status: "ok", auth: "ok", proxy: "ok", sandboxes: "ok", uptime_ms: expect.any(Number) },
  });
  expect(await page(gateway, "/health/auth")).toEqual({
    status: 200,
    body: { status: "ok", enabled: true, provider: "jwt", cached_tokens: 0, revoked_tokens: 0 },
  });
  expect(await page(gateway, "/health/proxy")).toEqual({
    status: 200,
    body: {
      status: "ok",
      draining: false,
      audit: "ok",
      in_flight: 0,
      max_concurrent: 100,
      waiting: 0,
      streams: 0,
      tunnels: 0,
      revision: 0,
    },
  });
  expect(await page(gateway, "/health/sandboxes")).toEqual({
    status: 200,
    body: { status: "ok", total: 0, available: 0, unavailable: 0, instances: 0, instances_down: 0 },
  });
  expect(gateway.records()).toEqual([]);
});

test("the pages count what there is, and never name it", async () => {
  const gateway = await startTestGateway();
  await gateway.addSandbox("secret-name", await startUpstream((_req, res) => void res.end()));
  const authorization = await gateway.authorization();
  await fetch(`${gateway.url}/s/secret-name/`, { headers: { authorization } });
  const revoked = { kind: "token.revoked", tokenId: "tok_gone", expiresAt: Date.now() + 60_000 } as const;
  gateway.gateway.apply([{ revision: 9, change: revoked }]);
  const pages = await Promise.all(
    ["/health", "/health/auth", "/health/proxy", "/health/sandboxes"].map((path) => page(gateway, path)),
  );
  expect(pages[1]?.body).toMatchObject({ cached_tokens: 1, revoked_tokens: 1 });
  expect(pages[3]?.body).toMatchObject({ total: 1, available: 1, instances: 1 });
  expect(JSON.stringify(pages)).not.toMatch(/secret-name|ins_|tok_|127\.0\.0\.1|test-executor/);
});

describe("a sandbox whose instances cannot be reached", () => {
  test("makes the gateway degraded, and its own page down when there is no other", async () => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("down", await closedPort());
    expect((await page(gateway, "/health/sandboxes")).body).toMatchObject({ status: "ok", available: 1 });
    const headers = { authorization: await gateway.authorization() };
    await fetch(`${gateway.url}/s/down/`, { headers });
    expect(await page(gateway, "/health/sandboxes")).toEqual({
      status: 503,
      body: { status: "down", total: 1, available: 0, unavailable: 1, instances: 1, instances_down: 1 },
    });
    expect(await page(gateway, "/health")).toMatchObject({
      status: 200,
      body: { status: "degraded", sandboxes: "down" },
    });
    await gateway.addSandbox("up", await closedPort(), await startUpstream((_req, res) => void res.end()));
    await fetch(`${gateway.url}/s/up/`, { headers });
    await fetch(`${gateway.url}/s/up/`, { headers });
    expect(await page(gateway, "/health/sandboxes")).toMatchObject({
      status: 200,
      body: { status: "degraded", total: 2, available: 1, unavailable: 1, instances: 3, instances_down: 2 },
    });
  });
});

test("requests in flight and waiting are counted", async () => {
  const gateway = await startTestGateway({ env: { MAX_CONCURRENT_REQUESTS: "1" } });
  await gateway.addSandbox("box", await startRawUpstream(() => undefined));
  const headers = { authorization: await gateway.authorization() };
  const abort = new AbortController();
  const calls = [1, 2, 3].map(() =>
    fetch(`${gateway.url}/s/box/`, { headers, signal: abort.signal }).catch(() => undefined),
  );
  const counts = async () => {
    const { in_flight, waiting } = (await page(gateway, "/health/proxy")).body;
    return [in_flight, waiting];
  };
  await eventually("one is served and two wait", async () => String(await counts()) === "1,2");
  abort.abort();
  await Promise.all(calls);
  await eventually("all are gone", async () => gateway.memory.slots.shared[0] === 0);
  expect(await counts()).toEqual([0, 0]);
});

test("while it drains the gateway is down, and closes connections after their answer", async () => {
  const gateway = await startTestGateway();
  Atomics.store(gateway.memory.flags, FLAG.draining, 1);
  const response = await fetch(`${gateway.url}/health/proxy`);
  expect(response.status).toBe(503);
  expect(response.headers.get("connection")).toBe("close");
  expect(await response.json()).toMatchObject({ status: "down", draining: true });
  expect(await page(gateway, "/health")).toMatchObject({ status: 503, body: { status: "down", proxy: "down" } });
});

test("without authentication the gateway is degraded", async () => {
  const gateway = await startTestGateway({ env: { AUTH_ENABLED: "false" } });
  expect(await page(gateway, "/health/auth")).toMatchObject({
    status: 200,
    body: { status: "degraded", enabled: false },
  });
  expect((await page(gateway, "/health")).body).toMatchObject({ status: "degraded", auth: "degraded" });
});

test("HEAD has no body; other methods are refused, and leave no record", async () => {
  const gateway = await startTestGateway();
  const head = await fetch(`${gateway.url}/health`, { method: "HEAD" });
  expect(head.status).toBe(200);
  expect(await head.text()).toBe("");
  const post = await fetch(`${gateway.url}/health`, { method: "POST", body: "x" });
  expect(post.status).toBe(405);
  expect(post.headers.get("allow")).toBe("GET, HEAD");
  expect(await post.json()).toMatchObject({ error: { code: "ROUTE_003" } });
  expect(gateway.records()).toEqual([]);
});
