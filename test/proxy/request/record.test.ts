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
      gateway.addSandbox("box", url);
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
    gateway.addSandbox("box", await startUpstream((_req, res) => res.end(String((heard += 1)))));
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
    gateway.addSandbox(
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
