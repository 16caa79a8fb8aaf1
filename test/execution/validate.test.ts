import { hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { parseExecute } from "../../src/execution/validate.ts";

const LIMITS = { maxTimeoutMs: 60_000, maxMembers: 1_000 };

const parse = (body: string) => parseExecute(Buffer.from(body), LIMITS);
const withPayload = (payload: string, operation = "run_code") =>
  parse(`{"sandbox_id":"py","operation":"${operation}","payload":${payload}}`);
const failure = (code: string, details: string) =>
  expect.objectContaining({ code, details: expect.stringContaining(details) });

describe("a payload", () => {
  test.each([
    '{"code":"","n":[12345678901234567890,1e400,1.0,-0]}',
    '{"__proto__":{"a":1},"code":"","constructor":{},"2":0,"1":0}',
    '{ "code" : "\\u00e9\\/\\ud800" }',
    '{"code":"é\u{1f600}"}',
  ])("is kept as it was written: %s", (payload) => {
    expect(withPayload(payload).payloadJson.toString()).toBe(payload);
  });

  test.each([
    ["run_code", { code: "1", command: "2" }, "1"],
    ["run_command", { code: "1", command: "2" }, "2"],
    ["run_command", { command: "é" }, "é"],
    ["own_operation", { code: "1" }, "1"],
    ["own_operation", { command: "2" }, "2"],
    ["own_operation", { code: 7, command: "2" }, ""],
    ["own_operation", { code: ["3"], command: "2" }, ""],
    ["own_operation", {}, ""],
    ["constructor", { code: "1" }, "1"],
  ])("of %s with %j has the hash of %j", (operation, payload, text) => {
    const { codeSha256, codeBytes } = withPayload(JSON.stringify(payload), operation);
    expect({ codeSha256, codeBytes }).toEqual({
      codeSha256: hash("sha256", text),
      codeBytes: Buffer.byteLength(text),
    });
  });

  test("names its language, in whatever escapes", () => {
    expect(withPayload('{"code":"","l\\u0061nguage":"p\\u0079thon"}').language).toBe("python");
    expect(withPayload('{"code":""}').language).toBe("");
    expect(withPayload('{"command":"ls","language":7}', "run_command").language).toBe("");
  });

  test.each([
    ["run_code", "{}", "payload.code"],
    ["run_code", '{"code":{"a":[]}}', "payload.code: Invalid input: expected string, received object"],
    ["run_code", '{"code":"","language":null}', "payload.language"],
    ["run_code", `{"code":"","language":"${"x".repeat(65)}"}`, "payload.language"],
    ["run_command", '{"command":""}', "payload.command"],
  ])("of %s that is %s lacks what it must have", (operation, payload, details) => {
    expect(() => withPayload(payload, operation)).toThrow(failure("VAL_003", details));
  });
});

describe("an envelope", () => {
  test("is read whatever the order and spacing of its fields", () => {
    const body = ' { "payload" : {"code":"1"} , "timeout_ms" : 5e3, "operation":"run_code","sandbox_id":"p\\u0079" } ';
    expect(parse(body)).toMatchObject({ sandboxId: "py", operation: "run_code", timeoutMs: 5_000 });
  });

  test("has no long fields: they are not even parsed", () => {
    const long = `{"sandbox_id":"py","operation":"x","payload":{},"${"e".repeat(2_000)}":[${"1,".repeat(1_000)}1]}`;
    expect(() => parse(long)).toThrow(failure("VAL_003", "longer than 1024 bytes"));
  });

  test("with too many members in it, wherever they are, is too large", () => {
    const many = `{${Array.from({ length: 1_001 }, (_, at) => `"${at}":1`).join(",")}}`;
    expect(() => withPayload(many)).toThrow(failure("VAL_004", "MAX_JSON_MEMBERS"));
    expect(() => parse(many)).toThrow(failure("VAL_004", "MAX_JSON_MEMBERS"));
  });
});
