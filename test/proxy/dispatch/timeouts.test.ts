import { describe, expect, test } from "vitest";
import { NO_SETTINGS } from "../../../src/domain/settings/settings.ts";
import { type Timeouts, TimeoutsBySettings, totalOf } from "../../../src/proxy/dispatch/timeouts.ts";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { closedPort, echo, startDeafUpstream, startScriptedUpstream, startUpstream } from "../../support/upstream.ts";

const DEFAULTS: Timeouts = {
  poolMs: 1,
  connectMs: 2,
  firstByteMs: 3,
  idleMs: 4,
  wholeMs: 5,
  sendMs: 6,
  tunnelIdleMs: 8,
  tunnelMaxAgeMs: 9,
  totalMs: Number.POSITIVE_INFINITY,
};

test("a sandbox's timeouts are its own where it has them, else the gateway's, and are worked out once", () => {
  const timeouts = new TimeoutsBySettings(DEFAULTS);
  expect(timeouts.of(NO_SETTINGS)).toBe(DEFAULTS);
  const settings = { connectTimeout: 20, totalTimeout: 70 };
  expect(timeouts.of(settings)).toEqual({ ...DEFAULTS, connectMs: 20, totalMs: 70 });
  expect(timeouts.of(settings)).toBe(timeouts.of(settings));
  const others = { firstByteTimeout: 30, idleTimeout: 40 };
  expect(timeouts.of(others)).toEqual({ ...DEFAULTS, firstByteMs: 30, idleMs: 40 });
});

test("a client may ask for all the time there is, and for less", () => {
  expect(totalOf(undefined, 500)).toBe(500);
  expect(totalOf("1", 500)).toBe(1);
  expect(totalOf("500", 500)).toBe(500);
  expect(totalOf("86400000", Number.POSITIVE_INFINITY)).toBe(86_400_000);
});

test.each(["501", "0", "-1", "1.5", "1e2", "5s", "", " ", "0x10", "05", "99999999999"])(
  "asking for %o of 500 ms is an error, not another time",
  (asked) => {
    expect(() => totalOf(asked, 500)).toThrow(expect.objectContaining({ code: "VAL_010" }));
  },
);

/** A gateway with one sandbox of these settings. */
async function gatewayBefore(settings: Record<string, string>, urls: string[], env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env });
  await gateway.addSandbox("box", ...urls);
  if (Object.keys(settings).length > 0) await gateway.verbs.sandboxes.update(ACTOR, "box", { settings });
  await gateway.feed.wake();
  return gateway;
}

async function ask(gateway: TestGateway, { path = "/s/box/", ...init }: RequestInit & { path?: string } = {}) {
  const headers = { authorization: await gateway.authorization(), ...(init.headers as Record<string, string>) };
  const before = performance.now();
  const response = await fetch(gateway.url + path, { ...init, headers });
  const text = await response.text();
  const error = response.ok ? {} : (JSON.parse(text) as { error: Record<string, unknown> }).error;
  return { status: response.status, text, error, ms: performance.now() - before };
}

/** An instance that takes every request and never answers one. */
const silent = (): Promise<string> => startScriptedUpstream(() => undefined);

describe("a sandbox's own", () => {
  test("connect timeout ends the attempt to reach an instance", async () => {
    const gateway = await gatewayBefore({ "connect-timeout": "100ms" }, [await startDeafUpstream()]);
    const { error, ms } = await ask(gateway, { method: "POST" });
    expect(error).toMatchObject({ code: "PROXY_001", executed: "no" });
    expect(ms).toBeLessThan(3_000);
  });

  test("first-byte timeout ends the wait for an answer", async () => {
    const gateway = await gatewayBefore({ "first-byte-timeout": "100ms" }, [await silent()]);
    expect((await ask(gateway)).error).toMatchObject({ code: "PROXY_003", executed: "maybe" });
  });

  test("idle timeout ends an answer that stands still", async () => {
    const url = await startScriptedUpstream(() => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    const gateway = await gatewayBefore({ "idle-timeout": "100ms" }, [url]);
    await expect(ask(gateway)).rejects.toThrow("terminated");
    await eventually("it is recorded", () => gateway.records().length === 1);
    expect(gateway.records()).toMatchObject([{ outcome: "PROXY_003" }]);
  });

  test("total timeout ends an answer that never stops moving", async () => {
    const url = await startUpstream((_req, res) => {
      const drip = setInterval(() => res.write("x"), 20);
      res.once("close", () => clearInterval(drip));
    });
    const gateway = await gatewayBefore({ "total-timeout": "200ms" }, [url]);
    await expect(ask(gateway)).rejects.toThrow("terminated");
    await eventually("it is recorded", () => gateway.records().length === 1);
    expect(gateway.records()).toMatchObject([{ outcome: "PROXY_003" }]);
  });

  test("queue timeout ends the wait for a slot, and the call was not executed", async () => {
    const gateway = await gatewayBefore({ "queue-timeout": "100ms" }, [await silent()], {
      MAX_CONCURRENT_REQUESTS: "1",
    });
    const holding = new RawConnection(gateway.port);
    holding.send(`GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${await gateway.authorization()}\r\n\r\n`);
    await eventually("the slot is taken", () => gateway.memory.slots.shared[0] === 1);
    const { error } = await ask(gateway);
    expect(error).toMatchObject({ code: "RATE_002", executed: "no", retryable: true });
    const { error: late } = await ask(gateway, { headers: { "x-request-timeout-ms": "50" } });
    expect(late).toMatchObject({ code: "PROXY_003", executed: "no" });
    expect(gateway.gateway.inFlight.size).toBe(1);
  });
});

describe("a client that says how long its call may take", () => {
  test("is answered by then, over all tries and pauses", async () => {
    const gateway = await gatewayBefore({ "connect-timeout": "10s" }, [await closedPort(), await startDeafUpstream()]);
    const { error, ms } = await ask(gateway, { method: "POST", headers: { "x-request-timeout-ms": "200" } });
    expect(error).toMatchObject({ code: "PROXY_003", executed: "no" });
    expect(ms).toBeLessThan(3_000);
    expect(gateway.records()).toMatchObject([{ tries: [{ outcome: "unreachable" }, { outcome: "timeout" }] }]);
  });

  test("learns that what was sent may have been executed", async () => {
    const gateway = await gatewayBefore({}, [await silent()]);
    const { error } = await ask(gateway, { method: "POST", headers: { "x-request-timeout-ms": "100" } });
    expect(error).toMatchObject({ code: "PROXY_003", executed: "maybe" });
  });

  test("cannot ask for more than the sandbox or the gateway gives, and nothing is sent then", async () => {
    let calls = 0;
    const url = await startUpstream((req, res) => {
      calls += 1;
      return echo(req, res);
    });
    const gateway = await gatewayBefore({}, [url], { PROXY_TOTAL_TIMEOUT: "10s" });
    const asking = (ms: string) => ask(gateway, { headers: { "x-request-timeout-ms": ms } });
    expect((await asking("10001")).error).toMatchObject({ code: "VAL_010", executed: "no" });
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "total-timeout": "5s" } });
    await gateway.feed.wake();
    expect((await asking("5001")).error).toMatchObject({ code: "VAL_010" });
    expect(calls).toBe(0);
    const answer = await asking("5000");
    expect(JSON.parse(answer.text).headers).not.toHaveProperty("x-request-timeout-ms");
  });

  test("has that for an execution too", async () => {
    const gateway = await gatewayBefore({ "total-timeout": "20s" }, [await silent()]);
    const run = (asked: Record<string, string>, more: object = {}) =>
      ask(gateway, {
        path: "/api/v1/sandbox/execute",
        method: "POST",
        headers: { "content-type": "application/json", ...asked },
        body: JSON.stringify({
          sandbox_id: "box",
          operation: "run_code",
          payload: { language: "python", code: "1" },
          ...more,
        }),
      });
    expect((await run({ "x-request-timeout-ms": "20001" })).error).toMatchObject({ code: "VAL_010", executed: "no" });
    expect((await run({}, { timeout_ms: 20_001 })).error).toMatchObject({ code: "VAL_010", executed: "no" });
    const { error } = await run({ "x-request-timeout-ms": "100" });
    expect(error).toMatchObject({ code: "PROXY_003", executed: "maybe" });
  });
});
