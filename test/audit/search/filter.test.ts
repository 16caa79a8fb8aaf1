import { describe, expect, it } from "vitest";
import { adminRecord, lossRecord } from "../../../src/audit/record.ts";
import { matches, recordOf, wantedTerms } from "../../../src/audit/search/filter.ts";

const admin = (action: string, target: string, details = {}) =>
  adminRecord({ at: 1_000, actor: "cli:ada", action, target, details });
const CALL =
  '{"kind":"execute","at_ms":1000,"request_id":"req_1","address":"::1","subject":"ada","role":"executor",' +
  '"token_id":"tok_1","decision":"allow","rule":"role:executor","sandbox":"demo","instance":"ins_1","status":503,"execution_id":"exe_1"}';

function isFound(text: string, where: Record<string, string>): boolean {
  const filter = { where };
  return matches(recordOf(text) ?? {}, filter, wantedTerms(filter));
}

describe("a record", () => {
  it.each([
    [{ kind: "execute" }],
    [{ subject: "ada", sandbox: "demo" }],
    [{ status: "503" }],
    [{ status: "5xx" }],
    [{ token: "tok_1", decision: "allow", rule: "role:executor" }],
    [{ request: "req_1", execution: "exe_1", instance: "ins_1", address: "::1" }],
  ])("of a call is found by %j", (where) => {
    expect(isFound(CALL, where)).toBe(true);
  });

  it.each([[{ subject: "ad" }], [{ status: "50" }], [{ status: "4xx" }], [{ subject: "ada", sandbox: "other" }]])(
    "of a call is not found by %j",
    (where) => {
      expect(isFound(CALL, where)).toBe(false);
    },
  );

  it.each([
    [admin("sandbox.add", "demo"), { sandbox: "demo", subject: "cli:ada" }],
    [admin("instance.add", "ins_1", { sandbox: "demo" }), { sandbox: "demo", instance: "ins_1" }],
    [admin("circuit.open", "ins_1", { sandbox: "demo" }), { instance: "ins_1" }],
    [admin("token.revoke", "tok_1", { subject: "bob" }), { token: "tok_1", subject: "bob", action: "token.revoke" }],
    [lossRecord({ at: 5, records: 3, from: 1, until: 4 }), { kind: "loss" }],
  ])("of an act is found by what it was done to: %s", (text, where) => {
    expect(isFound(text, where)).toBe(true);
  });

  it.each([
    [{ from: 1_000 }, true],
    [{ from: 1_001 }, false],
    [{ until: 1_000 }, false],
    [{ until: 1_001 }, true],
  ])("of the time 1000 within %j: %s", (times, expected) => {
    expect(matches(recordOf(CALL) ?? {}, { ...times, where: {} }, [])).toBe(expected);
  });
});
