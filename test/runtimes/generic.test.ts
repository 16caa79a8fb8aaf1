import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resultText } from "../../src/domain/execution.ts";
import { GenericRuntime } from "../../src/runtimes/generic.ts";

const runtime = new GenericRuntime({ members: 1_000 });
const reply = (body: unknown, status = 200) => ({
  status,
  contentType: "application/json",
  body: typeof body === "string" ? Buffer.from(body) : Buffer.from(JSON.stringify(body)),
});

const NOTHING = {
  status: "ok",
  stdout: "",
  stderr: "",
  exit_code: null,
  signal: null,
  resultsJson: "[]",
  error: null,
  truncated: false,
};

describe("a call", () => {
  const request = {
    sandboxId: "py",
    operation: "run_code",
    payloadJson: Buffer.from('{ "code":"1", "nested":{"a":[1.0]} }'),
    language: "",
    codeBytes: 1,
    codeSha256: "",
    timeoutMs: undefined,
  };

  test("is POST /execute with the operation, its payload, and both ids", () => {
    const { body, ...rest } = runtime.call(request, "exe_1");
    expect(rest).toEqual({
      method: "POST",
      path: "/execute",
      headers: ["content-type", "application/json", "accept", "application/json"],
    });
    expect(JSON.parse(body)).toEqual({
      operation: "run_code",
      payload: { code: "1", nested: { a: [1] } },
      sandbox_id: "py",
      execution_id: "exe_1",
    });
  });

  test.each([
    '{"n":12345678901234567890,"m":1e400,"o":1.0,"p":-0}',
    '{"b":1,"a":2,"__proto__":{"c":3},"1":4,"0":5}',
    '{"e":"\\u00e9\\/\\ud800","é":"\u{1f600}"}',
    " {\t}",
  ])("carries the payload as it was written: %s", (payload) => {
    const { body } = runtime.call({ ...request, payloadJson: Buffer.from(payload) }, "exe_1");
    expect(body).toBe(`{"operation":"run_code","sandbox_id":"py","execution_id":"exe_1","payload":${payload}}`);
  });

  test("tells the time limit when there is one", () => {
    expect(JSON.parse(runtime.call({ ...request, timeoutMs: 1500 }, "exe_1").body)).toMatchObject({ timeout_ms: 1500 });
  });
});

describe("a result", () => {
  test("has every field, those the instance left out empty", () => {
    expect(runtime.result(reply({}))).toEqual(NOTHING);
    expect(runtime.result(reply({ error: {} }))).toEqual({
      ...NOTHING,
      status: "error",
      error: { name: "Error", value: "", traceback: [] },
    });
  });

  test("keeps what the instance said, and drops what has no name here", () => {
    const said = {
      status: "timeout",
      stdout: "a\n",
      stderr: "b",
      exit_code: 124,
      signal: "SIGKILL",
      results: [{ "text/plain": "1", "application/json": { a: [1] } }],
      error: { name: "Timeout", value: "v", traceback: ["line 1"] },
      truncated: true,
    };
    const { results, ...rest } = said;
    const resultsJson = JSON.stringify(results);
    expect(runtime.result(reply({ ...said, internal: "secret" }))).toEqual({ ...rest, resultsJson });
  });

  test("has its rich outputs as the instance wrote them", () => {
    const results = '[ {"application/json":{"n":12345678901234567890,"x":1e400,"y":1.0,"__proto__":[]}} ]';
    const { resultsJson, ...rest } = runtime.result(reply(`{"stdout":"a","results":${results}}`));
    expect(resultsJson).toBe(results);
    expect(resultText({ resultsJson, ...rest })).toContain(`"results":${results}`);
    expect(JSON.parse(resultText({ resultsJson, ...rest }))).toMatchObject({
      status: "ok",
      stdout: "a",
      truncated: false,
    });
  });

  test.each([
    [{ exit_code: 1 }, "error"],
    [{ exit_code: 0 }, "ok"],
    [{ exit_code: null }, "ok"],
    [{ error: { name: "E" } }, "error"],
    [{ exit_code: 1, status: "ok" }, "ok"],
    [{ exit_code: 0, status: "killed" }, "killed"],
  ])("of %j has the status %s", (said, status) => {
    expect(runtime.result(reply(said)).status).toBe(status);
  });

  test("may hold bytes that are no UTF-8", () => {
    const body = Buffer.from('{"stdout":"\xff\xfe"}', "latin1");
    expect(runtime.result({ ...reply(""), body }).stdout).toBe("\ufffd\ufffd");
  });
});

const failure = (code: string, executed: string, details: unknown = expect.any(String)) =>
  expect.objectContaining({ code, executed, details });

describe("an answer that is no result", () => {
  test.each([
    "",
    "null",
    "[]",
    "7",
    '"ok"',
    "{",
    '{"stdout":7}',
    '{"status":"fine"}',
    '{"exit_code":1.5}',
    '{"results":[1]}',
    '{"results":{}}',
    '{"stdout":"a","stdout":"b"}',
    "[".repeat(50_000),
  ])("%j was executed and cannot be understood", (body) => {
    expect(() => runtime.result(reply(body))).toThrow(failure("EXEC_001", "yes"));
  });

  test.each([
    ["members", `{"x":{${Array.from({ length: 1_001 }, (_, at) => `"${at}":1`).join(",")}}}`],
    ["array elements", `{"results":[${"{},".repeat(10_000)}{}]}`],
    ["A number", `{"results":[{"n":${"1".repeat(2_000)}}]}`],
    ["error: more than", `{"error":{"traceback":["${"x".repeat(1_000_000)}"]}}`],
  ])("because it has too much (%s) was executed and is too large", (why, body) => {
    expect(() => runtime.result(reply(body))).toThrow(failure("EXEC_003", "yes", expect.stringContaining(why)));
  });

  test("because of its status says what is known of the call", () => {
    expect(() => runtime.result(reply({}, 503))).toThrow(failure("SANDBOX_001", "no", ""));
    expect(() => runtime.result(reply({ error: { message: "not begun" } }, 503))).toThrow(
      failure("SANDBOX_001", "no", "not begun"),
    );
    expect(() => runtime.result(reply({}, 500))).toThrow(failure("SANDBOX_002", "maybe", "The instance answered 500"));
    expect(() => runtime.result(reply({}, 201))).toThrow(failure("SANDBOX_002", "maybe"));
    expect(() => runtime.result(reply({ error: { message: "payload.language: which one?" } }, 400))).toThrow(
      failure("VAL_003", "no", "payload.language: which one?"),
    );
    expect(() => runtime.result(reply({}, 400))).toThrow(
      failure("VAL_003", "no", "The sandbox says that the payload does not fit, and not why"),
    );
    expect(() => runtime.result(reply({ error: { message: "no such language" } }, 422))).toThrow(
      failure("EXEC_002", "no", "no such language"),
    );
  });

  test("gives a reason of 500 characters at most", () => {
    const refused = reply({ error: { message: "x".repeat(100_000) } }, 422);
    expect(() => runtime.result(refused)).toThrow(failure("EXEC_002", "no", "x".repeat(500)));
  });

  test("whatever it is, fails as a GatewayError or is a result that can be written", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), fc.constantFrom(200, 422, 503, 500), (body, status) => {
        expect(outcome(() => resultText(runtime.result(reply(body, status))))).toMatch(/"status"|GatewayError/);
      }),
    );
  });
});

/** What a function returns, or the name of what it throws. */
function outcome(work: () => string): string {
  try {
    return work();
  } catch (error) {
    return (error as Error).name;
  }
}
