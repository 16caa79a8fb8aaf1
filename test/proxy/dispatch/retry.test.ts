import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { FailureKind } from "../../../src/proxy/dispatch/failure.ts";
import { askedWaitMs, isIdempotent, type Retry, retryAfter } from "../../../src/proxy/dispatch/retry.ts";

const SENT: readonly FailureKind[] = ["broken", "invalid"];

/** The tries of a call whose attempts fail as told, until it is not tried again. */
function triesOf(failures: readonly FailureKind[], call: { repeatable: boolean; maxRetries: number }) {
  let sends = 0;
  const decisions: Retry[] = [];
  for (const [index, kind] of failures.entries()) {
    if (SENT.includes(kind)) sends += 1;
    const decision = retryAfter({ kind, attempts: index + 1, sends, ...call });
    decisions.push(decision);
    if (decision === "no") break;
  }
  return { attempts: decisions.length, sends, decisions };
}

const failures = fc.array(fc.constantFrom<FailureKind>("busy", "unreachable", "broken", "invalid"), {
  minLength: 12,
  maxLength: 12,
});
const maxRetries = fc.nat({ max: 10 });

test("a call that is not repeatable never goes to a second instance after it may have reached one", () => {
  fc.assert(
    fc.property(failures, maxRetries, (kinds, max) => {
      const { attempts } = triesOf(kinds, { repeatable: false, maxRetries: max });
      const firstSent = kinds.findIndex((kind) => SENT.includes(kind));
      expect(firstSent < 0 || attempts <= firstSent + 1).toBe(true);
    }),
  );
});

test("a repeatable call is sent twice at most, and a bad answer to it is the last", () => {
  fc.assert(
    fc.property(failures, maxRetries, (kinds, max) => {
      const { sends, attempts } = triesOf(kinds, { repeatable: true, maxRetries: max });
      expect(sends).toBeLessThanOrEqual(2);
      expect(kinds.slice(0, attempts - 1)).not.toContain("invalid");
    }),
  );
});

test("no call is tried more often than it may be", () => {
  fc.assert(
    fc.property(failures, maxRetries, fc.boolean(), (kinds, max, repeatable) => {
      expect(triesOf(kinds, { repeatable, maxRetries: max }).attempts).toBeLessThanOrEqual(max + 1);
    }),
  );
});

test.each<[FailureKind, boolean, Retry]>([
  ["busy", false, "another"],
  ["unreachable", false, "another"],
  ["broken", true, "again"],
  ["broken", false, "no"],
  ["invalid", true, "no"],
])("after a first attempt that was %s (repeatable: %s) the next try is: %s", (kind, repeatable, expected) => {
  const sends = SENT.includes(kind) ? 1 : 0;
  expect(retryAfter({ kind, attempts: 1, sends, repeatable, maxRetries: 3 })).toBe(expected);
});

test.each([
  ["GET", true],
  ["HEAD", true],
  ["OPTIONS", true],
  ["PUT", true],
  ["DELETE", true],
  ["POST", false],
  ["PATCH", false],
  ["get", false],
  ["BREW", false],
])("%s may be repeated: %s", (method, expected) => {
  expect(isIdempotent(method)).toBe(expected);
});

const NOW = Date.parse("Wed, 25 Nov 2026 12:00:00 GMT");

test.each<[string[], number | undefined]>([
  [[], 0],
  [["content-type", "retry-after"], 0],
  [["retry-after", "0"], 0],
  [["retry-after", "2"], 2_000],
  [["retry-after", "1", "retry-after", "3"], 3_000],
  [["retry-after", "Wed, 25 Nov 2026 12:00:04 GMT"], 4_000],
  [["retry-after", "Wed, 25 Nov 2026 11:00:00 GMT"], 0],
  [["retry-after", "soon"], 0],
  [["retry-after", "-3"], 0],
  [["retry-after", "6"], undefined],
  [["retry-after", "99999999999999999999999"], undefined],
  [["retry-after", "Thu, 26 Nov 2026 12:00:00 GMT"], undefined],
])("an instance that answers with %o wants to be left alone for %o ms", (fields, expected) => {
  expect(askedWaitMs(fields, NOW)).toBe(expected);
});
