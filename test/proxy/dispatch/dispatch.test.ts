import { Agent, request } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import {
  closedPort,
  echo,
  startDeafUpstream,
  startRawUpstream,
  startScriptedUpstream,
  startUpstream,
} from "../../support/upstream.ts";

test("no GET fails because an instance closes its connections after some milliseconds of idleness", async () => {
  const gateway = await startTestGateway();
  const url = await startScriptedUpstream((_head, socket) => {
    socket.setTimeout(1 + Math.random() * 4, () => socket.destroy());
    return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
  });
  await gateway.addSandbox("box", url);
  const headers = { authorization: await gateway.authorization() };
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const get = (): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request({ port: gateway.port, path: "/s/box/", headers, agent }, (res) => {
        res.resume().once("end", () => resolve(res.statusCode));
      });
      sent.once("error", reject).end();
    });
  const failures: unknown[] = [];
  const caller = async (): Promise<void> => {
    for (let call = 0; call < 75; call++) {
      const status = await get();
      if (status !== 200) failures.push(status);
      const pause = Math.random() * 6; // about as long as the instance waits: the worst time to ask again
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };
  await Promise.all(Array.from({ length: 20 }, caller));
  expect(failures).toEqual([]);
});

/** An instance that takes a request and resets the connection. */
function breaking(onRequest: () => void = () => undefined): Promise<string> {
  return startScriptedUpstream((_head, socket) => {
    onRequest();
    socket.resetAndDestroy();
    return undefined;
  });
}

async function ask(gateway: TestGateway, init: RequestInit = {}) {
  const headers = { authorization: await gateway.authorization() };
  const response = await fetch(`${gateway.url}/s/box/`, { ...init, headers });
  return { status: response.status, retryAfter: response.headers.get("retry-after"), text: await response.text() };
}

function errorOf({ text }: { text: string }): Record<string, unknown> {
  return (JSON.parse(text) as { error: Record<string, unknown> }).error;
}

describe("when a first attempt was sent and broke,", () => {
  test.each([
    ["could not connect", closedPort],
    ["waited in vain to connect", startDeafUpstream],
  ])("a second that %s does not make it unsent", async (_, second) => {
    const gateway = await startTestGateway({ env: { PROXY_CONNECT_TIMEOUT: "300ms" } });
    let calls = 0;
    await gateway.addSandbox("box", await breaking(() => void (calls += 1)), await second());
    const answer = await ask(gateway, { method: "DELETE" });
    expect(answer).toMatchObject({ status: 502, retryAfter: null });
    expect(errorOf(answer)).toMatchObject({ code: "PROXY_002", executed: "maybe", retryable: false });
    expect(calls).toBe(1);
  });

  test("a second that found no free connection does not either", async () => {
    const gateway = await startTestGateway({ env: { PROXY_POOL_SIZE: "1", PROXY_POOL_TIMEOUT: "300ms" } });
    let held = 0;
    const full = await startRawUpstream((socket) => void socket.once("data", () => void (held += 1)));
    await gateway.addSandbox("box", full, await breaking());
    const holding = ask(gateway).catch(() => undefined);
    await eventually("the only connection is taken", () => held === 1);
    const answer = await ask(gateway, { method: "DELETE" });
    expect(answer.status).toBe(502);
    expect(errorOf(answer)).toMatchObject({ code: "PROXY_002", executed: "maybe", retryable: false });
    await gateway.gateway.close();
    await holding;
  });

  test("a call that may be repeated goes to another instance", async () => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await breaking(), await startUpstream(echo));
    expect((await ask(gateway)).status).toBe(200);
  });
});

test("instances that break every call do not get twice as many", async () => {
  const gateway = await startTestGateway();
  let sends = 0;
  await gateway.addSandbox("box", await breaking(() => void (sends += 1)));
  const headers = { authorization: await gateway.authorization() };
  for (let call = 0; call < 300; call += 10) {
    const answers = Array.from({ length: 10 }, () => fetch(`${gateway.url}/s/box/`, { headers }));
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(10).fill(502));
  }
  expect(sends).toBeGreaterThan(300);
  expect(sends).toBeLessThanOrEqual(300 + 100 + 0.2 * 300 + 10 + 10 * 5);
});

test("an instance that answered badly is not asked a second time, nor is another", async () => {
  const gateway = await startTestGateway();
  let calls = 0;
  const url = await startScriptedUpstream(() => {
    calls += 1;
    return "HTTP/1.1 what?\r\n\r\n";
  });
  await gateway.addSandbox("box", url, url.replace("127.0.0.1", "localhost"));
  expect(errorOf(await ask(gateway))).toMatchObject({ code: "PROXY_004", executed: "maybe", retryable: false });
  expect(calls).toBe(1);
});

/** A gateway before an instance whose only connection is taken by a call that is never answered. */
async function fullPool({ wait, others = [] }: { wait: string; others?: string[] }) {
  const gateway = await startTestGateway({ env: { PROXY_POOL_SIZE: "1", PROXY_POOL_TIMEOUT: wait } });
  const arrived: string[] = [];
  const full = await startScriptedUpstream((head) => void arrived.push(head.slice(0, head.indexOf(" "))));
  await gateway.addSandbox("box", full, ...others);
  const fields = `Host: x\r\nAuthorization: ${await gateway.authorization()}`;
  new RawConnection(gateway.port).send(`GET /s/box/ HTTP/1.1\r\n${fields}\r\n\r\n`);
  await eventually("the connection is taken", () => arrived.length === 1);
  return { gateway, arrived };
}

describe("a call that waits for a connection of a full pool", () => {
  test("is told soon that nothing was executed and when to come again", async () => {
    const { gateway, arrived } = await fullPool({ wait: "300ms" });
    const before = performance.now();
    const answer = await ask(gateway, { method: "POST", body: "x" });
    expect(performance.now() - before).toBeLessThan(10_000); // PROXY_TIMEOUT is 30 s
    expect(answer).toMatchObject({ status: 503, retryAfter: "1" });
    expect(errorOf(answer)).toMatchObject({ code: "PROXY_007", executed: "no", retryable: true });
    expect(gateway.records()).toMatchObject([{ outcome: "PROXY_007", status: 503 }]);
    expect(arrived).toEqual(["GET"]);
  });

  test("goes on to another instance when there is one", async () => {
    const { gateway, arrived } = await fullPool({ wait: "300ms", others: [await startUpstream(echo)] });
    for (let call = 0; call < 2; call++) {
      expect((await ask(gateway, { method: "POST", body: "x" })).status).toBe(200);
    }
    expect(arrived).toEqual(["GET"]);
  });

  test("has not been executed when its token is revoked meanwhile", async () => {
    const { gateway } = await fullPool({ wait: "20s" });
    const authorization = await gateway.authorization();
    const { jti: tokenId } = JSON.parse(atob(authorization.split(".")[1] as string)) as { jti: string };
    const waiting = fetch(`${gateway.url}/s/box/`, { method: "DELETE", headers: { authorization } });
    await eventually("it has its slot", () => gateway.memory.slots.shared[0] === 2);
    const change = { kind: "token.revoked", tokenId, expiresAt: Date.now() + 60_000 } as const;
    gateway.gateway.apply([{ revision: 1_000_000, change }]);
    const answer = await waiting;
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ error: { code: "AUTH_001", executed: "no" } });
  });
});

describe("a client that leaves in the middle of its body", () => {
  test.each([
    ["by closing", "/s/box/", "destroy"],
    ["by a reset", "/s/box/", "resetAndDestroy"],
    ["by closing", "/api/v1/sandbox/execute", "destroy"],
    ["by a reset", "/api/v1/sandbox/execute", "resetAndDestroy"],
  ] as const)("%s (%s) is recorded as one that left", async (_, path, way) => {
    const gateway = await startTestGateway();
    await gateway.addSandbox("box", await startUpstream((req) => void req.resume()));
    const authorization = await gateway.authorization();
    for (const framing of ["Content-Length: 1000", "Transfer-Encoding: chunked"]) {
      for (let round = 0; round < 5; round++) {
        const client = await RawConnection.open(gateway.port);
        const fields = `Host: x\r\nContent-Type: application/json\r\nAuthorization: ${authorization}\r\n${framing}`;
        client.send(`POST ${path} HTTP/1.1\r\n${fields}\r\n\r\n5\r\nhello\r\n`);
        await eventually("its call is under way", () => gateway.gateway.inFlight.size === 1);
        client.socket[way]();
        await eventually("its call is over", () => gateway.gateway.inFlight.size === 0);
      }
    }
    await eventually("all are recorded", () => gateway.records().length === 10);
    expect(gateway.records().map(({ outcome, rule }) => outcome || rule)).toEqual(Array(10).fill("PROXY_005"));
  });
});
