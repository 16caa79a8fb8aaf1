import { describe, expect, it } from "vitest";
import { auditJson, auditLine } from "../../../src/cli/output/audit-line.ts";

const row = (record: unknown) => ({
  seq: 7,
  hash: "abc",
  record: typeof record === "string" ? record : JSON.stringify(record),
});

describe("an audit record on one line", () => {
  it("says when, who, what, where, decision, rule and status", () => {
    const record = {
      kind: "proxy",
      at_ms: 0,
      address: "127.0.0.1",
      method: "GET",
      path: "/s/py/x",
      subject: "agent-1",
      decision: "allow",
      rule: "role:executor",
      sandbox: "py",
      status: 200,
    };
    expect(auditLine(row(record))).toBe(
      "1970-01-01T00:00:00.000Z  agent-1  GET  /s/py/x  py  allow  role:executor  200",
    );
  });

  it.each([
    [5, "  5 times"],
    [1, "  once"],
    [undefined, ""],
  ])("says of a sum how many times: %s", (count, times) => {
    const record = { kind: "refused", at_ms: 0, subject: "agent-1", decision: "deny", rule: "RATE_001", count };
    expect(auditLine(row(record))).toBe(`1970-01-01T00:00:00.000Z  agent-1  deny  RATE_001${times}`);
  });

  it("names the address of a caller that nobody knows", () => {
    const record = {
      kind: "proxy",
      at_ms: 0,
      address: "10.0.0.1",
      method: "GET",
      path: "/",
      decision: "deny",
      rule: "AUTH_002",
      status: 401,
    };
    expect(auditLine(row(record))).toBe("1970-01-01T00:00:00.000Z  10.0.0.1  GET  /  deny  AUTH_002  401");
  });

  it("says what a call is about to run, before its end", () => {
    const record = {
      kind: "start",
      at_ms: 0,
      address: "a",
      method: "POST",
      path: "/x",
      subject: "agent-1",
      sandbox: "py",
      operation: "run_code",
      language: "python",
      execution_id: "exe_1",
    };
    expect(auditLine(row(record))).toBe(
      "1970-01-01T00:00:00.000Z  agent-1  POST  /x  start  py  run_code  python  exe_1",
    );
  });

  it("has the time of what it tells: of a call's end, which comes after what happened in between", () => {
    const record = { kind: "execute", at_ms: 1_000, duration_ms: 2_500.7, address: "a", method: "POST", path: "/x" };
    expect(auditLine(row(record))).toBe("1970-01-01T00:00:03.500Z  a  POST  /x");
    expect(auditLine(row({ ...record, kind: "start", duration_ms: undefined }))).toMatch(/^1970-01-01T00:00:01.000Z/);
  });

  it("says who did what to what for a change", () => {
    const record = { kind: "admin", at_ms: 0, actor: "cli:ada", action: "sandbox.add", target: "py" };
    expect(auditLine(row(record))).toBe("1970-01-01T00:00:00.000Z  cli:ada  sandbox.add  py");
  });

  it("cannot be made into two lines by what a client sent", () => {
    const record = { kind: "proxy", at_ms: 0, address: "a", method: "GET", path: "/\n1970 forged\u001b[31m" };
    expect(auditLine(row(record))).not.toMatch(/\p{Cc}/u);
  });

  it.each(["not json", "[]", "null", "1", '{"at_ms":1e300}', '{"kind":"constructor"}'])(
    "is shown even when it is %s",
    (record) => {
      expect(auditLine(row(record))).toMatch(/\S/);
    },
  );
});

describe("an audit record as JSON", () => {
  it("carries its place in the chain", () => {
    expect(JSON.parse(auditJson(row({ kind: "admin", at_ms: 1 })))).toEqual({
      seq: 7,
      hash: "abc",
      kind: "admin",
      at_ms: 1,
    });
  });

  it("cannot forge that place", () => {
    expect(JSON.parse(auditJson(row({ seq: 1, hash: "forged" })))).toMatchObject({ seq: 7, hash: "abc" });
  });
});
