import { describe, expect, test } from "vitest";
import { ACTOR, startTestGateway, type TestGateway } from "../../../support/gateway.ts";
import { startUpstream } from "../../../support/upstream.ts";

async function opened(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env });
  const seen: string[] = [];
  const url = await startUpstream((req, res) => {
    seen.push(`${req.method} ${req.url}`);
    res.end("fine");
  });
  await gateway.addSandbox("box", url);
  await gateway.addSandbox("other", url);
  return { gateway, seen };
}

async function ask(gateway: TestGateway, body: unknown, authorization?: string) {
  const headers = { "content-type": "application/json", ...(authorization !== undefined && { authorization }) };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(`${gateway.url}/api/v1/tickets`, { method: "POST", headers, body: text });
  const answer = (await response.json()) as { ticket?: string; error?: { code: string } };
  return { status: response.status, ticket: answer.ticket ?? "", code: answer.error?.code };
}

const use = async ({ url }: TestGateway, path: string, ticket: string, method = "GET") =>
  (await fetch(`${url}${path}?sgw_ticket=${ticket}`, { method })).status;

describe("a ticket", () => {
  test("is good once, for its sandbox, and the sandbox sees nothing of it", async () => {
    const { gateway, seen } = await opened();
    const { status, ticket } = await ask(gateway, { sandbox_id: "box", path: "/ws" }, await gateway.authorization());
    expect(status).toBe(201);
    expect(await use(gateway, "/s/box/ws/chat", ticket)).toBe(200);
    expect(await use(gateway, "/s/box/ws/chat", ticket)).toBe(401);
    expect(seen).toEqual(["GET /ws/chat"]);
    expect(gateway.records().at(-1)).toMatchObject({ status: 401 });
    expect(gateway.records().at(-2)).toMatchObject({ subject: "test-executor", path: "/s/box/ws/chat" });
    expect(JSON.stringify(gateway.allRecords())).not.toContain(ticket);
  });

  test("may be for a path as long as one can be, and is good then too", async () => {
    const { gateway, seen } = await opened();
    const path = `/${"x".repeat(1023)}`;
    const { ticket } = await ask(gateway, { sandbox_id: "box", path }, await gateway.authorization());
    expect(await use(gateway, `/s/box${path}`, ticket)).toBe(200);
    expect(seen).toEqual([`GET ${path}`]);
  });

  test("shown many times at the same moment is good once", async () => {
    const { gateway, seen } = await opened();
    const { ticket } = await ask(gateway, { sandbox_id: "box" }, await gateway.authorization());
    const statuses = await Promise.all(Array.from({ length: 20 }, () => use(gateway, "/s/box/", ticket)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(seen).toHaveLength(1);
  });

  test.each([
    ["another sandbox", "/s/other/", "GET", 404],
    ["another path", "/s/box/x", "GET", 403],
    ["another method", "/s/box/ws", "POST", 403],
    ["the gateway's own pages", "/api/v1/sandboxes", "GET", 403],
    ["another ticket", "/api/v1/tickets", "POST", 403],
  ])("is not good for %s, and not any more after that", async (_what, path, method, status) => {
    const { gateway, seen } = await opened();
    const { ticket } = await ask(gateway, { sandbox_id: "box", path: "/ws" }, await gateway.authorization());
    expect(await use(gateway, path, ticket, method)).toBe(status);
    expect(await use(gateway, "/s/box/ws", ticket)).toBe(401);
    expect(seen).toEqual([]);
  });

  test("is worth nothing when the token was revoked with which it was asked for", async () => {
    const { gateway } = await opened();
    const authorization = await gateway.authorization();
    const { ticket } = await ask(gateway, { sandbox_id: "box" }, authorization);
    const [record] = await gateway.verbs.tokens.list(ACTOR, { expired: false });
    await gateway.verbs.tokens.revoke(ACTOR, record?.id ?? "");
    await gateway.feed.wake();
    expect(await use(gateway, "/s/box/", ticket)).toBe(401);
  });

  test.each([
    ["by nobody", { sandbox_id: "box" }, null, "AUTH_002"],
    ["by who may not use sandboxes", { sandbox_id: "box" }, ["viewer"], "AUTH_003"],
    ["for a sandbox of somebody else", { sandbox_id: "other" }, ["executor", { sandboxes: ["box"] }], "ROUTE_001"],
    ["for a sandbox that there is not", { sandbox_id: "none" }, ["executor"], "ROUTE_001"],
    ["for a port that the sandbox has not", { sandbox_id: "box", port: 9 }, ["executor"], "ROUTE_009"],
    ["by who may only run operations", { sandbox_id: "box" }, ["executor", { operations: ["run_code"] }], "AUTH_004"],
    ["with a member twice", '{"sandbox_id":"box","sandbox_id":"other"}', ["executor"], "VAL_002"],
    ["with no JSON", "{", ["executor"], "VAL_002"],
    ["with something else in it", { sandbox_id: "box", admin: true }, ["executor"], "VAL_003"],
    ["with no path", { sandbox_id: "box", path: "x" }, ["executor"], "VAL_003"],
    ["with a path that no request can have", { sandbox_id: "box", path: "/é" }, ["executor"], "VAL_003"],
    ["with a path that is too long", { sandbox_id: "box", path: `/${"x".repeat(1024)}` }, ["executor"], "VAL_003"],
  ] as const)("asked for %s is refused", async (_how, body, who, code) => {
    const { gateway } = await opened();
    const authorization =
      who === null
        ? undefined
        : await gateway.authorization(...(who as unknown as Parameters<TestGateway["authorization"]>));
    expect((await ask(gateway, body, authorization)).code).toBe(code);
  });
});
