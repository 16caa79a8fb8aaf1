import { tmpdir } from "node:os";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { type ExecuteRequest, type ExecutionResult, resultText } from "../../src/domain/execution.ts";
import { GatewayError } from "../../src/errors.ts";
import { OPERATIONS } from "../../src/execution/operations/operations.ts";
import { parseExecute } from "../../src/execution/validate.ts";
import { createRuntimes, RUNTIME_NAMES } from "../../src/registry.ts";
import type { RuntimeReply } from "../../src/runtimes/runtime.ts";

const { config } = loadConfig({ flags: {}, env: {}, cwd: tmpdir() });
const runtimes = createRuntimes(config);
const KINDS = RUNTIME_NAMES.map((name) => ({ name, runtime: runtimes[name] }));

/** A payload for each operation that the gateway knows, and some that it does not. */
const PAYLOADS: Readonly<Record<string, string>> = {
  run_code: '{"code":"print(1)","language":"python","n":12345678901234567890}',
  run_command: '{"command":"ls"}',
  something_else: '{"a":[1.0,{"__proto__":1}]}',
};

function requestOf(operation: string, timeoutMs?: number): ExecuteRequest {
  const payload = PAYLOADS[operation] ?? "{}";
  const timeout = timeoutMs === undefined ? "" : `,"timeout_ms":${timeoutMs}`;
  const body = `{"sandbox_id":"py","operation":"${operation}","payload":${payload}${timeout}}`;
  return parseExecute(Buffer.from(body), { maxTimeoutMs: 60_000, maxMembers: 1_000 });
}

/** What `work` gives, or the GatewayError it ends with; any other error is thrown on. */
function outcomeOf<T>(work: () => T): T | GatewayError {
  try {
    return work();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

const replyOf = (body: string | Uint8Array, status = 200, contentType = "application/json"): RuntimeReply => ({
  status,
  contentType,
  body: Buffer.from(body as string),
});

const FIELDS = ["status", "stdout", "stderr", "exit_code", "signal", "resultsJson", "error", "truncated"];

/** Whether it is a whole result that a client could be given; fails the test where it is not. */
function isWhole(result: ExecutionResult): boolean {
  expect(Object.keys(result).toSorted()).toEqual(FIELDS.toSorted());
  const seen: unknown = JSON.parse(resultText(result));
  expect(seen).toMatchObject({
    status: expect.stringMatching(/^(?:ok|error|timeout|killed|compile_error)$/),
    stdout: expect.any(String),
    stderr: expect.any(String),
    results: expect.any(Array),
    truncated: expect.any(Boolean),
  });
  return true;
}

test("every operation that the gateway knows has a payload here", () => {
  expect([...OPERATIONS.keys()].filter((name) => !Object.hasOwn(PAYLOADS, name))).toEqual([]);
});

describe.each(KINDS)("the runtime $name", ({ runtime }) => {
  test.each(Object.keys(PAYLOADS))("translates %s into one request, or refuses it", (operation) => {
    for (const timeoutMs of [undefined, 1_500]) {
      const call = outcomeOf(() => runtime.call(requestOf(operation, timeoutMs), "exe_1"));
      const whole = {
        method: expect.stringMatching(/^(?:GET|POST|PUT|DELETE)$/),
        path: expect.stringMatching(/^\/[\x21-\x7e]*$/),
        body: expect.any(String),
      };
      const refused = { code: expect.stringMatching(/^(?:EXEC_002|VAL_003)$/), executed: "no" };
      expect(call).toMatchObject(call instanceof GatewayError ? refused : whole);
    }
  });

  test.each(Object.keys(PAYLOADS))(
    "keeps framing and the gateway's own fields out of its request for %s",
    (operation) => {
      const call = outcomeOf(() => runtime.call(requestOf(operation), "exe_1"));
      const fields = call instanceof GatewayError ? [] : call.headers;
      const names = fields.filter((_, index) => index % 2 === 0);
      expect(fields.length % 2).toBe(0);
      expect(names.filter((name) => !/^[a-z0-9-]+$/.test(name))).toEqual([]);
      const ours =
        /^(?:host|connection|content-length|transfer-encoding|expect|upgrade|te|trailer|x-request-id|x-sandbox-.*)$/;
      expect(names.filter((name) => ours.test(name))).toEqual([]);
      expect(fields.filter((_, index) => index % 2 === 1).filter((value) => /[^\x20-\x7e]/.test(value))).toEqual([]);
    },
  );

  test("is stateless: the same request is translated the same way, in any order", () => {
    const calls = () => Object.keys(PAYLOADS).map((name) => outcomeOf(() => runtime.call(requestOf(name), "exe_1")));
    const first = calls();
    runtime.call(requestOf("run_code", 9), "exe_2");
    expect(calls()).toEqual(first);
  });

  test("gives a whole result for whatever an instance answers, or ends with a GatewayError", () => {
    const member = fc.constantFrom(
      "status",
      "stdout",
      "stderr",
      "exit_code",
      "signal",
      "results",
      "error",
      "truncated",
    );
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom("ok", "error", 0, 1, null, true, [{ "text/plain": "1" }]),
    );
    const body = fc.oneof(
      fc.dictionary(member, value, { maxKeys: 8 }).map((object) => JSON.stringify(object)),
      fc.json(),
      fc.string(),
      fc.uint8Array({ maxLength: 40 }),
    );
    const status = fc.constantFrom(200, 200, 200, 201, 204, 302, 400, 404, 422, 429, 500, 503, 599);
    fc.assert(
      fc.property(body, status, fc.constantFrom("application/json", "text/html", ""), (text, code, type) => {
        const result = outcomeOf(() => runtime.result(replyOf(text, code, type)));
        expect(result instanceof GatewayError || isWhole(result)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["nesting", "[".repeat(200_000)],
    ["objects in objects", '{"a":'.repeat(200_000)],
    ["members", `{${Array.from({ length: 200_000 }, (_, at) => `"${at}":1`).join(",")}}`],
    ["elements", `{"results":[${"{},".repeat(1_000_000)}{}]}`],
    ["a number", `{"results":[{"n":${"9".repeat(1_000_000)}}]}`],
    ["one member, twice", '{"stdout":"a","stdout":"b"}'],
  ])("refuses an answer with too much in it (%s), which was executed", (_, body) => {
    const refused = outcomeOf(() => runtime.result(replyOf(body)));
    expect(refused).toMatchObject({ code: expect.stringMatching(/^EXEC_00[13]$/), executed: "yes" });
    expect((refused as GatewayError).details).not.toBe("");
  });

  test("says busy only of what was not begun", () => {
    expect(outcomeOf(() => runtime.result(replyOf("", 503)))).toMatchObject({ code: "SANDBOX_001", executed: "no" });
    expect(outcomeOf(() => runtime.result(replyOf("", 500)))).toMatchObject({ code: "SANDBOX_002", executed: "maybe" });
  });
});
