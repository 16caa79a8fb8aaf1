import { hash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  adminRecord,
  type ExecutionFacts,
  type RequestFacts,
  requestRecord,
  startRecord,
} from "../../src/audit/record.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { newId } from "../../src/domain/id.ts";
import { eventually } from "../support/eventually.ts";
import { startTestGateway } from "../support/gateway.ts";
import { startUpstream } from "../support/upstream.ts";
import { SOMEBODY } from "../support/principal.ts";

const FACTS: RequestFacts = {
  kind: "proxy",
  at: 1_800_000_000_000,
  requestId: "req_1",
  address: "2001:db8::1",
  method: "GET",
  path: "/s/box/",
  principal: undefined,
  decision: "deny",
  rule: "AUTH_002",
  sandboxId: "",
  port: null,
  instanceId: "",
  status: 401,
  outcome: "",
  bytesIn: 0,
  bytesOut: 120,
  durationMs: 1.26,
  execution: undefined,
  tries: null,
  started: false,
};

function execution({ operation, language, code }: Record<"operation" | "language" | "code", string>): ExecutionFacts {
  const codeBytes = Buffer.byteLength(code);
  return { id: newId("exe"), operation, language, codeBytes, codeSha256: hash("sha256", code), status: "" };
}

const principal = (fields: Partial<Principal> = {}): Principal => ({ ...SOMEBODY, ...fields });

/** Text that breaks careless writers of JSON, lines and terminals. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.constantFrom(
        '"',
        "\\",
        '","decision":"allow',
        "\n",
        "\r",
        "\u2028",
        "\ud800",
        "\udc00",
        "\0",
        "\x1b[2J",
        "\x7f",
        "é",
        "😀",
      ),
      fc.constant("x".repeat(250)),
    ),
    { maxLength: 4 },
  )
  .map((parts) => parts.join(""));

const cut = (text: string) => text.slice(0, 256);

describe("the record of a request", () => {
  test("of a stranger says what is known and leaves out the rest", () => {
    expect(JSON.parse(requestRecord(FACTS))).toEqual({
      kind: "proxy",
      at_ms: 1_800_000_000_000,
      request_id: "req_1",
      address: "2001:db8::1",
      method: "GET",
      path: "/s/box/",
      decision: "deny",
      rule: "AUTH_002",
      status: 401,
      bytes_in: 0,
      bytes_out: 120,
      duration_ms: 1.3,
    });
  });

  test("of an execution says who, what, where and how it ended", () => {
    const facts = execution({ operation: "run_code", language: "python", code: "print('ü')" });
    const record = requestRecord({
      ...FACTS,
      kind: "execute",
      principal: principal(),
      decision: "allow",
      rule: "role:executor",
      sandboxId: "py",
      instanceId: "ins_1",
      status: 200,
      outcome: "client_gone",
      execution: { ...facts, status: "ok" },
    });
    expect(JSON.parse(record)).toEqual({
      ...JSON.parse(requestRecord(FACTS)),
      kind: "execute",
      subject: "agent-1",
      role: "executor",
      token_id: "tok_1",
      decision: "allow",
      rule: "role:executor",
      sandbox: "py",
      instance: "ins_1",
      status: 200,
      outcome: "client_gone",
      execution_id: facts.id,
      operation: "run_code",
      language: "python",
      code_bytes: 11,
      code_sha256: hash("sha256", "print('ü')"),
      result: "ok",
    });
  });

  test("is one line of valid JSON whatever a client sends, and gives every value back up to 256 characters", () => {
    fc.assert(
      fc.property(
        fc.record({
          path: hostile,
          subject: hostile,
          token: hostile,
          sandbox: hostile,
          operation: hostile,
          language: hostile,
          code: hostile,
        }),
        ({ path, subject, token, sandbox, operation, language, code }) => {
          const run = execution({ operation, language, code });
          const who = principal({ subject, tokenId: token });
          const record = requestRecord({ ...FACTS, path, principal: who, sandboxId: sandbox, execution: run });
          expect(record).not.toMatch(/[\n\r]/);
          expect(Buffer.from(record).toString()).toBe(record); // the chain's hash survives the way through the database
          const parsed: Record<string, unknown> = JSON.parse(record);
          expect(parsed).toMatchObject({ path: cut(path), subject, token_id: token, operation: cut(operation) });
          expect(parsed).toMatchObject({ decision: "deny", rule: "AUTH_002", language: cut(language) });
          expect(parsed["sandbox"] ?? "").toBe(cut(sandbox));
          expect(parsed).toMatchObject({ code_bytes: Buffer.byteLength(code), code_sha256: hash("sha256", code) });
          const again = requestRecord({ ...FACTS, path, principal: who, sandboxId: sandbox, execution: run });
          expect(again).toBe(record); // also when the principal's part is remembered
        },
      ),
      { numRuns: 300 },
    );
  });

  test("has only these fields, whatever happened", () => {
    const run = execution({ operation: "x", language: "", code: "" });
    const everything = {
      ...FACTS,
      principal: principal(),
      sandboxId: "py",
      instanceId: "ins_1",
      outcome: "cut",
      execution: run,
      started: true,
    };
    expect(Object.keys(JSON.parse(requestRecord(everything))).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      "address",
      "at_ms",
      "bytes_in",
      "bytes_out",
      "code_bytes",
      "code_sha256",
      "decision",
      "duration_ms",
      "execution_id",
      "instance",
      "kind",
      "language",
      "method",
      "operation",
      "outcome",
      "path",
      "request_id",
      "result",
      "role",
      "rule",
      "sandbox",
      "started",
      "status",
      "subject",
      "token_id",
    ]);
  });
});

test("the record of a start says who is about to run what where, and which request it belongs to", () => {
  const run = execution({ operation: "run_code", language: "python", code: "1" });
  const record = startRecord(
    { ...FACTS, kind: "execute", principal: principal(), sandboxId: "py", execution: run, started: true },
    5,
  );
  expect(JSON.parse(record)).toEqual({
    kind: "start",
    at_ms: 5,
    call: "execute",
    request_id: "req_1",
    address: "2001:db8::1",
    method: "GET",
    path: "/s/box/",
    subject: "agent-1",
    role: "executor",
    token_id: "tok_1",
    sandbox: "py",
    execution_id: run.id,
    operation: "run_code",
    language: "python",
    code_bytes: 1,
    code_sha256: hash("sha256", "1"),
  });
});

test("no code, command, query, body or credential of a call gets into its record", async () => {
  const gateway = await startTestGateway();
  const result = { status: "ok", stdout: "hunter2-answer", stderr: "", exit_code: 0 };
  await gateway.addSandbox(
    "box",
    await startUpstream((req, res) => {
      req.resume().once("end", () => res.setHeader("content-type", "application/json").end(JSON.stringify(result)));
    }),
  );
  const authorization = await gateway.authorization();
  const execute = (operation: string, payload: object): Promise<Response> =>
    fetch(`${gateway.url}/api/v1/sandbox/execute`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ sandbox_id: "box", operation, payload }),
    });
  const answers = [
    await execute("run_code", { code: "print('hunter2-code')", language: "python", secret: "hunter2-payload" }),
    await execute("run_command", { command: "echo hunter2-command" }),
    await fetch(`${gateway.url}/s/box/a?token=hunter2-query`, {
      method: "POST",
      headers: { authorization, cookie: "hunter2-cookie" },
      body: "hunter2-body",
    }),
    await fetch(`${gateway.url}/s/box/?hunter2-refused`, { headers: { authorization: "Bearer hunter2-token" } }),
  ];
  for (const answer of answers) await answer.text();
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 401]);
  await eventually("all are recorded", () => gateway.records().length === 4);
  const records = JSON.stringify(gateway.allRecords());
  expect(records).toContain("/s/box/a");
  expect(records).not.toContain("hunter2");
  expect(records).not.toContain(authorization.slice("Bearer ".length));
});

test("the record of a control verb is one line of JSON with its details beside who, what and when", () => {
  const action = {
    at: 5,
    actor: "cli:root",
    action: "sandbox.add",
    target: "py",
    details: { runtime: "generic", note: '"\n' },
  };
  const record = adminRecord(action);
  expect(record).not.toContain("\n");
  expect(JSON.parse(record)).toEqual({
    kind: "admin",
    at_ms: 5,
    actor: "cli:root",
    action: "sandbox.add",
    target: "py",
    runtime: "generic",
    note: '"\n',
  });
});
