import { expect, test } from "vitest";
import { jobOf } from "../../../../src/drivers/wasm/host/request.ts";

const limits = { timeoutMs: 1_000, maxTimeoutMs: 5_000 };
const job = (request: object) => jobOf(JSON.stringify(request), limits);
const runCode = (payload: object, rest: object = {}) => job({ operation: "run_code", payload, ...rest });

test("run_code with nothing but language and code gets defaults for all else", () => {
  expect(runCode({ language: "python", code: "1" }, { sandbox_id: "demo", execution_id: "exe_1" })).toEqual({
    language: "python",
    code: "1",
    stdin: "",
    env: {},
    cwd: "/home/user",
    files: {},
    timeoutMs: 1_000,
  });
});

test("run_command runs in bash", () => {
  const given = { command: "ls", stdin: "x", env: { A: "1" }, cwd: "/tmp", files: { "a.txt": "a" } };
  const { command: code, ...rest } = given;
  expect(job({ operation: "run_command", payload: given })).toEqual({
    language: "bash",
    code,
    ...rest,
    timeoutMs: 1_000,
  });
});

test.each([
  ["python3", "python"],
  ["py", "python"],
  ["js", "javascript"],
  ["ts", "typescript"],
  ["sh", "bash"],
])("%s is another name of %s", (name, language) => {
  expect(runCode({ language: name, code: "" }).language).toBe(language);
});

test("a run may ask for its own time limit, up to the greatest", () => {
  const payload = { language: "bash", code: "" };
  expect(runCode(payload, { timeout_ms: 20 }).timeoutMs).toBe(20);
  expect(runCode(payload, { timeout_ms: 60_000 }).timeoutMs).toBe(5_000);
});

test.each([
  ["not JSON", "{", 400, "bad_json"],
  ["not an object", "[]", 400, "bad_request"],
  ["another operation", '{"operation":"read_file","payload":{}}', 422, "unsupported"],
  ["another language", '{"operation":"run_code","payload":{"language":"ruby","code":""}}', 422, "unsupported"],
  [
    "a name that every object has",
    '{"operation":"run_code","payload":{"language":"constructor","code":""}}',
    422,
    "unsupported",
  ],
  ["no code", '{"operation":"run_code","payload":{"language":"bash"}}', 400, "bad_request"],
  [
    "an unknown field",
    '{"operation":"run_code","payload":{"language":"bash","code":"","timeout":1}}',
    400,
    "bad_request",
  ],
  ["a relative cwd", '{"operation":"run_command","payload":{"command":"","cwd":"tmp"}}', 400, "bad_request"],
  [
    "a variable with a bad name",
    '{"operation":"run_command","payload":{"command":"","env":{"a b":""}}}',
    400,
    "bad_request",
  ],
  ["no time", '{"operation":"run_command","payload":{"command":""},"timeout_ms":0}', 400, "bad_request"],
])("%s is refused", (_what, body, status, code) => {
  expect(() => jobOf(body, limits)).toThrow(expect.objectContaining({ name: "Refusal", status, code }));
});

test("a refusal names the field", () => {
  expect(() => runCode({ language: "bash", code: 1 })).toThrow(/^payload\.code: /);
  expect(() => runCode({ language: "bash", code: "", other: 1 })).toThrow(/^payload: Unrecognized key: "other"$/);
});

test("a refusal names the languages there are, whether none was named or another", () => {
  const known = "There are python, javascript, typescript and bash";
  expect(() => runCode({ code: "" })).toThrow(`payload.language: which one? ${known}`);
  expect(() => runCode({ language: "ruby", code: "" })).toThrow(`no language "ruby". ${known}`);
});
