import { expect, test } from "vitest";
import { Lockout } from "../../../src/limits/rate/lockout.ts";
import { NarrowLimits } from "../../../src/limits/rate/narrow-limits.ts";
import { type Cells, rateKey } from "../../../src/limits/rate/rate-limit.ts";
import { type Limited, RateLimits } from "../../../src/limits/rate/rate-limits.ts";
import { resetLimits } from "../../../src/limits/rate/reset.ts";

const ONCE = { requests: 1, windowMs: 3_600_000, burst: 1 };
const MANY = { requests: 100, windowMs: 1_000, burst: 100 };

const keyOf = (name: string): bigint => rateKey("salt", name);
const LOCKED_OUT = expect.objectContaining({ code: "AUTH_014" });

test("a caller, and an address, get back all that they have used, and nobody else does", () => {
  const cells: Cells = { keys: new BigInt64Array(256), arrivals: new BigInt64Array(256) };
  const limits = new RateLimits({ cells, rates: { api: ONCE, proxy: ONCE, address: MANY } });
  const narrow = new NarrowLimits({ cells, roles: { executor: ONCE }, operations: { run_code: ONCE }, rateKey: keyOf });
  const lockout = new Lockout({ cells, attempts: 2, durationMs: 3_600_000 });
  const now = 1_000_000_000n;
  const told: Limited = { limit: null, taken: 0 };
  const address = keyOf("address 10.0.0.1");
  const callOf = (subject: string) => [
    () => limits.admitCaller("api", keyOf(`subject ${subject}`), address, now, told),
    () => limits.admitCaller("proxy", keyOf(`proxied subject ${subject}`), address, now, told),
    () => narrow.admitRole("executor", keyOf(`subject ${subject}`), now, told),
    () => narrow.admitOperation("run_code", keyOf(`subject ${subject}`), now, told),
  ];
  const options = { cells, roles: ["executor"], operations: ["run_code"], rateKey: keyOf };
  for (const call of [...callOf("ada"), ...callOf("eve")]) call();
  for (const call of [...callOf("ada"), ...callOf("eve")])
    expect(call).toThrow(expect.objectContaining({ code: "RATE_001" }));
  lockout.failed(address, now);
  lockout.failed(address, now);
  expect(() => lockout.check(address, now)).toThrow(LOCKED_OUT);
  resetLimits({ kind: "limit.reset", of: "subject", name: "ada" }, options);
  for (const call of callOf("ada")) expect(call).not.toThrow();
  for (const call of callOf("eve")) expect(call).toThrow(expect.objectContaining({ code: "RATE_001" }));
  resetLimits({ kind: "limit.reset", of: "address", name: "10.0.0.2" }, options);
  expect(() => lockout.check(address, now)).toThrow(LOCKED_OUT);
  resetLimits({ kind: "limit.reset", of: "address", name: "10.0.0.1" }, options);
  expect(() => lockout.check(address, now)).not.toThrow();
});
