import { describe, expect, test } from "vitest";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

const LIMITED = { RATE_LIMIT_ENABLED: "true", PROXY_RATE_LIMIT_REQUESTS: "60", PROXY_RATE_LIMIT_WINDOW: "60s" };

async function limited(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env: { ...LIMITED, ...env } });
  const url = await startUpstream((_req, res) => {
    res.setHeader("ratelimit", '"proxy";r=1000000;t=1').setHeader("x-ratelimit-remaining", "7").end("fine");
  });
  await gateway.addSandbox("box", url);
  const ask = async (path: string, authorization: string) => {
    const response = await fetch(`${gateway.url}${path}`, { headers: { authorization } });
    const { error } = (await response.json().catch(() => ({}))) as { error?: { code: string } };
    return { status: response.status, code: error?.code, field: (name: string) => response.headers.get(name) };
  };
  return { gateway, ask };
}

describe("an answer", () => {
  test("tells what is left of the limit it was counted by, whoever gives it, and the sandbox has no say in that", async () => {
    const { gateway, ask } = await limited();
    const authorization = await gateway.authorization();
    const told = async (path: string) => {
      const { field } = await ask(path, authorization);
      return [field("ratelimit-policy"), field("ratelimit"), field("x-ratelimit-remaining")];
    };
    expect(await told("/s/box/")).toEqual(['"proxy";q=60;w=60', '"proxy";r=59;t=1', "7"]);
    expect((await told("/s/box/"))[1]).toMatch(/^"proxy";r=58;t=[12]$/);
    expect(await told("/s/none/")).toEqual([
      '"proxy";q=60;w=60',
      expect.stringMatching(/^"proxy";r=57;t=[123]$/),
      null,
    ]);
    expect(await told("/api/v1/sandboxes")).toEqual(['"api";q=100;w=60', '"api";r=99;t=1', null]);
    expect(await told("/health")).toEqual([null, null, null]);
  });
});

describe("credentials that are nobody's", () => {
  const GUESS = "Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA";

  test("lock the address out for what is not known yet, and nobody who is known", async () => {
    const { gateway, ask } = await limited({ AUTH_LOCKOUT_ATTEMPTS: "3", AUTH_LOCKOUT_DURATION: "1h" });
    const known = await gateway.authorization();
    expect((await ask("/s/box/", known)).status).toBe(200);
    const guesses = [];
    for (let guess = 0; guess < 5; guess++) guesses.push((await ask("/s/box/", GUESS)).code);
    expect(guesses).toEqual(["AUTH_001", "AUTH_001", "AUTH_001", "AUTH_014", "AUTH_014"]);
    const refused = await ask("/s/box/", await gateway.authorization("operator"));
    expect([refused.status, refused.code]).toEqual([429, "AUTH_014"]);
    expect(Number(refused.field("retry-after"))).toBeGreaterThan(3500);
    expect((await ask("/s/box/", known)).status).toBe(200);
  });

  test("are no guesses when they were good once, or when nothing is shown", async () => {
    const { gateway, ask } = await limited({ AUTH_LOCKOUT_ATTEMPTS: "2", TOKEN_CLOCK_SKEW: "0" });
    const revoked = await gateway.authorization();
    const [record] = await gateway.verbs.tokens.list(ACTOR, { expired: false });
    await gateway.verbs.tokens.revoke(ACTOR, record?.id ?? "");
    await gateway.feed.wake();
    for (let call = 0; call < 4; call++) expect((await ask("/s/box/", revoked)).code).toBe("AUTH_001");
    for (const headers of [{}, { cookie: "sandboxgw_session=ses_00000000000000000000.ended" }]) {
      for (let call = 0; call < 4; call++) expect((await fetch(`${gateway.url}/s/box/`, { headers })).status).toBe(401);
    }
    expect((await ask("/s/box/", await gateway.authorization())).status).toBe(200);
  });

  test("weigh more in the address's limit than calls that are good", async () => {
    const { gateway, ask } = await limited({ ADDRESS_RATE_LIMIT_REQUESTS: "25", AUTH_LOCKOUT_ATTEMPTS: "off" });
    const known = await gateway.authorization();
    const codes = [];
    for (let guess = 0; guess < 3; guess++) codes.push((await ask("/s/box/", GUESS)).code);
    expect(codes).toEqual(["AUTH_001", "AUTH_001", "AUTH_001"]);
    expect((await ask("/s/box/", known)).code).toBe("RATE_001");
  });
});

describe("limits that only some calls meet", () => {
  test("are a sandbox's, whoever calls it, with a code of their own", async () => {
    const { gateway, ask } = await limited();
    const one = await gateway.authorization("executor");
    const other = await gateway.authorization("operator");
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "rate-limit": "3/1h:2" } });
    await gateway.feed.wake();
    const answers = [await ask("/s/box/", one), await ask("/s/box/", other), await ask("/s/box/", other)];
    expect(answers.map(({ status, code }) => [status, code])).toEqual([
      [200, undefined],
      [200, undefined],
      [429, "RATE_008"],
    ]);
    const [first, , last] = answers;
    expect(first?.field("ratelimit-policy")).toBe('"sandbox";q=3;w=3600');
    expect(first?.field("ratelimit")).toBe('"sandbox";r=1;t=1200');
    expect(Number(last?.field("retry-after"))).toBeGreaterThan(1190);
    expect((await ask("/s/none/", one)).code).toBe("ROUTE_001");
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "rate-limit": null } });
    await gateway.feed.wake();
    expect((await ask("/s/box/", one)).status).toBe(200);
  });

  test("are a role's, of each of its callers, and an operation's", async () => {
    const { gateway, ask } = await limited({
      ROLE_RATE_LIMITS: "executor=3/1h",
      OPERATION_RATE_LIMITS: "run_code=1/1h",
    });
    const executor = await gateway.authorization("executor");
    const operator = await gateway.authorization("operator");
    const execute = async (operation: string) => {
      const headers = { authorization: operator, "content-type": "application/json" };
      const response = await fetch(`${gateway.url}/api/v1/sandbox/execute`, {
        method: "POST",
        headers,
        body: JSON.stringify({ sandbox_id: "box", operation, payload: { code: "1", command: "1" } }),
      });
      const { error } = (await response.json()) as { error?: { code: string; details?: string } };
      return [error?.code, error?.details];
    };
    const codes = [];
    for (let call = 0; call < 4; call++)
      codes.push((await ask(call % 2 ? "/api/v1/sandboxes" : "/s/box/", executor)).code);
    expect(codes).toEqual([undefined, undefined, undefined, "RATE_001"]);
    expect((await ask("/s/box/", operator)).status).toBe(200);
    expect((await execute("run_code"))[0]).not.toBe("RATE_001");
    expect(await execute("run_code")).toEqual([
      "RATE_001",
      "The limit of each caller's calls of run_code (OPERATION_RATE_LIMITS): 1 in 3600 s",
    ]);
    expect((await execute("run_command"))[0]).not.toBe("RATE_001");
  });
});
