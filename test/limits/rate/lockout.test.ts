import * as fc from "fast-check";
import { expect, test } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import { Lockout } from "../../../src/limits/rate/lockout.ts";

const MS = 1_000_000n;
const START = 1_000_000n * MS;

const words = () => new BigInt64Array(new SharedArrayBuffer(1024 * 8));

function lockout(attempts = 3, durationMs = 60_000) {
  return new Lockout({ cells: { keys: words(), arrivals: words() }, attempts, durationMs });
}

/** Seconds for which the address is locked out; 0 = it is not. */
function locked(one: Lockout, key: bigint, now: bigint): number {
  try {
    one.check(key, now);
    return 0;
  } catch (error) {
    if (error instanceof GatewayError && error.code === "AUTH_014") return error.retryAfter ?? Number.NaN;
    throw error;
  }
}

test("so many failures within the time lock an address out for as long, and no other", () => {
  const one = lockout();
  for (const failure of [1n, 2n]) one.failed(7n, START + failure);
  expect(locked(one, 7n, START + 2n)).toBe(0);
  one.failed(7n, START + 3n);
  expect(locked(one, 7n, START + 3n)).toBe(60);
  expect(locked(one, 8n, START + 3n)).toBe(0);
  expect(locked(one, 7n, START + 3n + 59_000n * MS)).toBe(1);
  expect(locked(one, 7n, START + 3n + 60_000n * MS)).toBe(0);
});

test("who goes on guessing afterwards is locked out by one more, who stopped is not", () => {
  const one = lockout();
  for (const failure of [1n, 2n, 3n]) one.failed(7n, START + failure);
  const free = START + 3n + 60_000n * MS;
  one.failed(7n, free);
  expect(locked(one, 7n, free)).toBe(60);
  const later = free + 180_000n * MS;
  one.failed(7n, later);
  expect(locked(one, 7n, later)).toBe(0);
});

test("failures that are far enough apart lock nobody out, however many there are", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 20_000, max: 100_000 }), { maxLength: 50 }), (pauses) => {
      const one = lockout();
      let now = START;
      for (const pause of pauses) {
        now += BigInt(pause) * MS;
        one.failed(7n, now);
        expect(locked(one, 7n, now)).toBe(0);
      }
    }),
  );
});
