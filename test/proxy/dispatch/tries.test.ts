import { describe, expect, test } from "vitest";
import { MetricTotals, RETRY_REASONS } from "../../../src/observe/metric-slots.ts";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import {
  closedPort,
  echo,
  readAll,
  startRawUpstream,
  startScriptedUpstream,
  startUpstream,
} from "../../support/upstream.ts";

/** Sends one call; `init.body` may be large. */
async function ask(gateway: TestGateway, init: RequestInit = {}) {
  const headers = { authorization: await gateway.authorization(), ...(init.headers as Record<string, string>) };
  const response = await fetch(`${gateway.url}/s/box/`, { ...init, headers });
  const text = await response.text();
  return { status: response.status, text, error: response.ok ? undefined : (JSON.parse(text).error as object) };
}

/** An instance that takes a whole request, counts it and resets the connection. */
async function breaking(): Promise<{ url: string; bodies: string[] }> {
  const bodies: string[] = [];
  const url = await startUpstream(async (req) => {
    bodies.push(await readAll(req));
    req.socket.resetAndDestroy();
  });
  return { url, bodies };
}

describe("a body that has reached an instance which broke", () => {
  test.each([
    ["of a PUT", { method: "PUT" }, "small"],
    ["of a POST with an Idempotency-Key", { method: "POST", headers: { "idempotency-key": "k" } }, "small"],
    ["of exactly 64 KiB", { method: "PUT" }, "x".repeat(64 * 1024)],
  ])("%s is sent once more, byte for byte", async (_, init, body) => {
    const gateway = await startTestGateway();
    const { url, bodies } = await breaking();
    await gateway.addSandbox("box", url, await startUpstream(echo));
    const answer = await ask(gateway, { ...init, body });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ body });
    expect(bodies).toEqual([body]);
    expect(gateway.memory.bodies.map(({ total }) => total[0])).toEqual([0]);
  });

  test.each([
    ["of a POST", { method: "POST" }, "small"],
    ["of more than 64 KiB", { method: "PUT" }, "x".repeat(64 * 1024 + 1)],
  ])("%s is not", async (_, init, body) => {
    const gateway = await startTestGateway();
    const { url, bodies } = await breaking();
    await gateway.addSandbox("box", url, await startUpstream(echo));
    const answer = await ask(gateway, { ...init, body });
    expect(answer.error).toMatchObject({ code: "PROXY_002", executed: "maybe", retryable: false });
    expect(bodies).toEqual([body]);
  });

  test("half of it, in chunks, is sent again and the rest follows", async () => {
    const gateway = await startTestGateway();
    const first = "hello ";
    const broken = await startRawUpstream((socket) => {
      socket.on("data", (chunk) => {
        if (chunk.includes(first)) socket.resetAndDestroy();
      });
    });
    let seen = "";
    const second = await startUpstream((req, res) => {
      req.on("data", (chunk) => void (seen += String(chunk))).once("end", () => res.end("good"));
    });
    await gateway.addSandbox("box", broken, second);
    const client = await RawConnection.open(gateway.port);
    const fields = `Host: x\r\nAuthorization: ${await gateway.authorization()}\r\nTransfer-Encoding: chunked`;
    client.send(`PUT /s/box/ HTTP/1.1\r\n${fields}\r\n\r\n6\r\n${first}\r\n`);
    await eventually("the second try is under way", () => seen === first);
    client.send("5\r\nworld\r\n0\r\n\r\n");
    await eventually("it is answered", () => client.text.includes("good"));
    expect(seen).toBe("hello world");
    expect(gateway.records()).toMatchObject([{ bytes_in: 11, tries: [{ outcome: "broken" }, { outcome: "200" }] }]);
  });
});

test("the record of a call tells of every try, and the metrics count them", async () => {
  const gateway = await startTestGateway();
  const { url } = await breaking();
  await gateway.addSandbox("box", await closedPort(), url, await startUpstream(echo));
  expect((await ask(gateway)).status).toBe(200);
  const [{ tries, instance }] = gateway.records() as [{ tries: Record<string, unknown>[]; instance: string }];
  expect(tries.map(({ outcome }) => outcome)).toEqual(["unreachable", "broken", "200"]);
  expect(new Set(tries.map((one) => one["instance"])).size).toBe(3);
  expect(tries[2]).toMatchObject({ instance, ms: expect.any(Number) });
  const totals = new MetricTotals(gateway.memory.metrics);
  expect(RETRY_REASONS.map((reason) => totals.retries(reason))).toEqual([0, 1, 1, 0]);
});

test("one try leaves no list of tries", async () => {
  const gateway = await startTestGateway();
  await gateway.addSandbox("box", await startUpstream(echo));
  await ask(gateway);
  expect(gateway.records()).toMatchObject([{ status: 200 }]);
  expect(gateway.records()[0]).not.toHaveProperty("tries");
});

const plain = async (gateway: TestGateway, method = "GET") => {
  const headers = { authorization: await gateway.authorization() };
  const response = await fetch(`${gateway.url}/s/box/`, { method, headers });
  return { status: response.status, text: await response.text() };
};

describe("an instance that answers 503", () => {
  let calls = 0;
  /** Answers the first call 503 with these fields, and all others 200. */
  const unavailable = (fields: string): Promise<string> => {
    calls = 0;
    return startScriptedUpstream(() => {
      calls += 1;
      if (calls > 1) return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
      return `HTTP/1.1 503 No\r\nContent-Length: 3\r\n${fields}\r\nbad`;
    });
  };
  const withRetries = async (fields: string, others: string[] = []) => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await unavailable(fields), ...others);
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "retry-unavailable": "true" } });
    await gateway.feed.wake();
    return gateway;
  };
  test("is not asked again where nobody has said so", async () => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await unavailable(""));
    expect(await plain(gateway)).toEqual({ status: 503, text: "bad" });
  });

  test("is asked again after the time it gave, and the record tells of both", async () => {
    const gateway = await withRetries("Retry-After: 1\r\n");
    const before = performance.now();
    expect(await plain(gateway)).toEqual({ status: 200, text: "good" });
    expect(performance.now() - before).toBeGreaterThan(990);
    expect(gateway.records()).toMatchObject([{ status: 200, tries: [{ outcome: "503" }, { outcome: "200" }] }]);
  });

  test("is asked again although it is at its hard limit with the call itself", async () => {
    const gateway = await withRetries("");
    await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "hard-limit": "1" } });
    await gateway.feed.wake();
    expect(await plain(gateway)).toEqual({ status: 200, text: "good" });
    await eventually("its place is free", () => gateway.memory.instances.inFlight[0]?.[0] === 0);
    expect((await plain(gateway)).status).toBe(200);
  });

  test("does not hold up the call where there is another", async () => {
    const gateway = await withRetries("Retry-After: 60\r\n", [await startUpstream(echo)]);
    const before = performance.now();
    expect((await plain(gateway)).status).toBe(200);
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  test("and wants to be left alone for long has its answer passed on", async () => {
    const gateway = await withRetries("Retry-After: 60\r\n");
    expect(await plain(gateway)).toEqual({ status: 503, text: "bad" });
  });

  test("has its answer to a POST passed on", async () => {
    const gateway = await withRetries("");
    expect(await plain(gateway, "POST")).toEqual({ status: 503, text: "bad" });
    expect(calls).toBe(1);
  });

  test("ends the wait for it when the client leaves", async () => {
    const gateway = await withRetries("Retry-After: 5\r\n");
    const client = await RawConnection.open(gateway.port);
    client.send(`GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${await gateway.authorization()}\r\n\r\n`);
    await eventually("it was asked", () => calls === 1);
    client.socket.destroy();
    await eventually("the call is over", () => gateway.gateway.inFlight.size === 0);
    expect(gateway.records()).toMatchObject([{ outcome: "PROXY_005", tries: [{ outcome: "503" }] }]);
    expect(calls).toBe(1);
    expect(gateway.memory.slots.shared[0]).toBe(0);
  });

  test("is not asked again when its sandbox is removed meanwhile, and the client learns what may have happened", async () => {
    const gateway = await withRetries("Retry-After: 5\r\n");
    const answer = plain(gateway);
    await eventually("it was asked", () => calls === 1);
    await eventually("the call waits", () => [...gateway.gateway.inFlight].some(({ pausing }) => pausing));
    await gateway.verbs.sandboxes.remove(ACTOR, "box");
    await gateway.feed.wake();
    const { status, text } = await answer;
    expect(status).toBe(404);
    expect(JSON.parse(text)).toMatchObject({ error: { code: "ROUTE_001", executed: "maybe", retryable: false } });
    expect(calls).toBe(1);
  });
});
