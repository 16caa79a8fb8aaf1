import { expect, test } from "vitest";
import { ERROR_CODES, ERRORS, errorBody, GatewayError } from "../src/errors.ts";

const body = (error: GatewayError) => JSON.parse(errorBody(error, "req_1")) as { error: Record<string, unknown> };

test("the envelope carries everything the contract names", () => {
  expect(body(new GatewayError("RATE_001", { details: "exactly this" }))).toEqual({
    error: {
      code: "RATE_001",
      message: ERRORS.RATE_001.message,
      details: "exactly this",
      remediation: ERRORS.RATE_001.remediation,
      retryable: true,
      executed: "no",
      request_id: "req_1",
    },
  });
});

test("no error invites to repeat a call that may have been executed", () => {
  const invitations = ERROR_CODES.filter(
    (code) => body(new GatewayError(code, { executed: "maybe" })).error["retryable"],
  );
  expect(invitations).toEqual([]);
  expect(body(new GatewayError("GW_003", { executed: "yes" })).error["retryable"]).toBe(false);
});

test("an error with another truth about the sandbox's side is the same in all else", () => {
  const error = new GatewayError("AUTH_001", {
    details: "Token has been revoked",
    reason: "revoked",
    remediation: "Ask for another one",
    retryAfter: 3,
    headers: { "x-a": "1" },
    cause: "why",
  });
  const known = error.withExecuted("maybe");
  expect(Object.fromEntries(Object.entries(known))).toEqual({
    ...Object.fromEntries(Object.entries(error)),
    executed: "maybe",
  });
  expect(known.cause).toBe("why");
  expect(known.withExecuted("maybe")).toBe(known);
});
