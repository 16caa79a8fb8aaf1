import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

const RESULT = JSON.stringify({ status: "ok", stdout: "", stderr: "", exit_code: 0 });

const callRecords = (gateway: TestGateway) => gateway.allRecords().filter(({ kind }) => kind !== "admin");

/** Runs one piece of code in the sandbox `box`. */
async function run({ url }: TestGateway, authorization: string): Promise<Response> {
  return fetch(`${url}/api/v1/sandbox/execute`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ sandbox_id: "box", operation: "run_code", payload: { code: "1", language: "python" } }),
  });
}

describe("an execute call", () => {
  test.each(["strict", "relaxed"])(
    "has its start record in the chain before a sandbox hears of it (%s)",
    async (mode) => {
      const gateway = await startTestGateway({ env: { AUDIT_MODE: mode } });
      const heard: unknown[] = [];
      const url = await startUpstream((req, res) => {
        heard.push(callRecords(gateway).map(({ kind, operation }) => [kind, operation]));
        req.resume().once("end", () => res.setHeader("content-type", "application/json").end(RESULT));
      });
      await gateway.addSandbox("box", url);
      const answer = await run(gateway, await gateway.authorization());
      const { execution_id } = (await answer.json()) as { execution_id: string };
      expect(heard).toEqual([[["start", "run_code"]]]);
      await eventually("the end is recorded", () => callRecords(gateway).length === 2);
      const request_id = answer.headers.get("x-request-id");
      expect(callRecords(gateway)).toEqual([
        expect.objectContaining({ kind: "start", call: "execute", sandbox: "box", execution_id, request_id }),
        expect.objectContaining({ kind: "execute", started: true, result: "ok", execution_id, request_id }),
      ]);
    },
  );

  test.each(["strict", "relaxed"])("whose start cannot be recorded is never sent, and says so (%s)", async (mode) => {
    let failing = false;
    const gateway = await startTestGateway({
      env: { AUDIT_MODE: mode },
      transaction: (store) => (work) => {
        if (failing) throw new GatewayError("GW_008", { details: "the disk is full" });
        return store.transaction(work);
      },
    });
    let heard = 0;
    await gateway.addSandbox("box", await startUpstream((_req, res) => res.end(String((heard += 1)))));
    const authorization = await gateway.authorization();
    failing = true;
    const answer = await run(gateway, authorization);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ error: { code: "GW_003", executed: "no", retryable: true } });
    expect(heard).toBe(0);
    failing = false;
    await eventually("start and end are written later", () => callRecords(gateway).length === 2);
    expect(callRecords(gateway)[1]).toMatchObject({ kind: "execute", started: true, rule: "GW_003" });
  });
});

describe.each([
  ["off", []],
  ["execute", ["execute"]],
  ["all", ["execute", "proxy"]],
])("with AUDIT_INTENT=%s", (intent, expected) => {
  test(`these calls leave a start record: ${String(expected)}`, async () => {
    const gateway = await startTestGateway({ env: { AUDIT_INTENT: intent } });
    await gateway.addSandbox(
      "box",
      await startUpstream((_req, res) => res.setHeader("content-type", "application/json").end(RESULT)),
    );
    const authorization = await gateway.authorization();
    const proxied = (): Promise<Response> => fetch(`${gateway.url}/s/box/`, { headers: { authorization } });
    for (const call of [() => run(gateway, authorization), proxied]) {
      const answer = await call();
      await answer.text();
      expect(answer.status).toBe(200);
    }
    const records = callRecords(gateway);
    expect(records.filter(({ kind }) => kind === "start").map(({ call }) => call)).toEqual(expected);
    expect(records.filter(({ started }) => started === true).map(({ kind }) => kind)).toEqual(expected);
  });
});

/** Sends the same request many times over one connection; resolves with how often each status came. */
async function flood({ port }: TestGateway, count: number, fields = ""): Promise<Record<string, number>> {
  const socket = connect(port, "127.0.0.1").setEncoding("latin1");
  const last = "GET /s/box/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
  socket.write(`GET /s/box/ HTTP/1.1\r\nHost: x\r\n${fields}\r\n`.repeat(count - 1) + `${last}${fields}\r\n`);
  let text = "";
  socket.on("data", (chunk) => void (text += String(chunk)));
  await once(socket, "close");
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => match[1] ?? "");
  return Object.fromEntries(
    [...Map.groupBy(statuses, (status) => status)].map(([status, all]) => [status, all.length]),
  );
}

test("10,000 calls without a token cost a few records, which say how many there were", async () => {
  const gateway = await startTestGateway();
  const startedAt = performance.now();
  for (let sent = 0; sent < 10_000; sent += 1_000) {
    const floods = await Promise.all(Array.from({ length: 20 }, () => flood(gateway, 50)));
    for (const statuses of floods) expect(statuses).toEqual({ 401: 50 });
  }
  const refused = () => gateway.records().filter(({ kind }) => kind === "refused");
  const total = () => refused().reduce((sum, { count }) => sum + Number(count), 0);
  await eventually("all are told", () => total() + gateway.records().length - refused().length === 10_000);
  const seconds = (performance.now() - startedAt) / 1000;
  expect(refused()[0]).toMatchObject({ rule: "AUTH_002", address: "127.0.0.1", decision: "deny" });
  expect(gateway.records().length).toBeLessThanOrEqual(4 * Math.ceil(seconds + 1));
}, 30_000);

test("what has been summed is recorded before the gateway says that it has drained", async () => {
  const gateway = await startTestGateway();
  expect(await flood(gateway, 50)).toEqual({ 401: 50 });
  await gateway.gateway.drain({ graceMs: 0, delayMs: 0, accept: "delay" });
  const records = gateway.records();
  expect(records.reduce((sum, { count = 1 }) => sum + Number(count), 0)).toBe(50);
  expect(records.some(({ kind }) => kind === "refused")).toBe(true);
});

test("calls beyond a caller's limit are in the record: who, from where, how many", async () => {
  const env = { RATE_LIMIT_ENABLED: "true", PROXY_RATE_LIMIT_REQUESTS: "1", PROXY_RATE_LIMIT_BURST: "5" };
  const gateway = await startTestGateway({ env });
  const authorization = await gateway.authorization();
  const answered = await flood(gateway, 50, `Authorization: ${authorization}\r\n`);
  expect(answered).toEqual({ 404: 5, 429: 45 });
  const refused = () => gateway.records().filter(({ kind }) => kind === "refused");
  await eventually("they are recorded", () => refused().length > 0);
  expect(refused().reduce((sum, { count }) => sum + Number(count), 0)).toBe(45);
  for (const record of refused()) expect(record).toMatchObject({ rule: "RATE_001", address: "127.0.0.1" });
});
