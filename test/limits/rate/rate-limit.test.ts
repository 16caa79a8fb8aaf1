import { once } from "node:events";
import { Worker } from "node:worker_threads";
import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Cells, RateLimiter, rateKey } from "../../../src/limits/rate/rate-limit.ts";
import { createSharedMemory } from "../../../src/daemon/shared-memory/layout.ts";
import type { RateRaceStart } from "../../support/rate-race-thread.ts";
import type { Admitted, RateThreadStart } from "../../support/rate-thread.ts";

function cellsOf(length: number): Cells {
  return { keys: new BigInt64Array(length), arrivals: new BigInt64Array(length) };
}

interface Limit {
  readonly requests: number;
  readonly windowMs: number;
  readonly burst: number;
}

/** Nanoseconds between two requests at the sustained rate. */
const intervalOf = ({ requests, windowMs }: Limit): bigint => BigInt((windowMs * 1e6) / requests);

/**
 * What the limiter promises, said differently: a bucket that holds `burst` requests and leaks `requests` per window. The
 * level is an exact fraction of a request, with the window in nanoseconds as denominator.
 */
class LeakyBucket {
  readonly #leak: bigint;
  readonly #request: bigint;
  readonly #capacity: bigint;
  #level = 0n;
  #at = 0n;

  constructor({ requests, windowMs, burst }: Limit) {
    this.#leak = BigInt(requests);
    this.#request = BigInt(windowMs * 1e6);
    this.#capacity = this.#request * BigInt(burst);
  }

  /** 0 when admitted, otherwise the nanoseconds until there is room. */
  admit(now: bigint): number {
    const left = this.#level - (now - this.#at) * this.#leak;
    this.#level = left > 0n ? left : 0n;
    this.#at = now;
    const over = this.#level + this.#request - this.#capacity;
    if (over > 0n) return Number((over + this.#leak - 1n) / this.#leak);
    this.#level += this.#request;
    return 0;
  }
}

/** Limits whose interval is a whole number of nanoseconds. */
const limits: fc.Arbitrary<Limit> = fc.record({
  requests: fc.constantFrom(1, 2, 5, 10, 100, 1000, 1_000_000),
  windowMs: fc.constantFrom(1, 10, 1000, 60_000),
  burst: fc.integer({ min: 1, max: 50 }),
});

/** Requests of a few keys; the time before each is a multiple of a quarter of the interval, give or take a nanosecond. */
const schedules = fc.array(
  fc.record({
    key: fc.bigInt({ min: 1n, max: 4n }),
    quarters: fc.oneof(fc.constant(0n), fc.bigInt(0n, 8n), fc.bigInt(0n, 400n)),
    shift: fc.bigInt(-1n, 1n),
  }),
  { minLength: 1, maxLength: 120 },
);

function timed(limit: Limit, schedule: readonly { key: bigint; quarters: bigint; shift: bigint }[]) {
  let now = 1_000_000_000n;
  return schedule.map(({ key, quarters, shift }) => {
    const gap = (intervalOf(limit) * quarters) / 4n + shift;
    now += gap > 0n ? gap : 0n;
    return { key, now };
  });
}

describe("a rate limiter", () => {
  test("admits, refuses and tells how long to wait exactly as a leaky bucket per key", () => {
    fc.assert(
      fc.property(limits, schedules, (limit, schedule) => {
        const limiter = new RateLimiter({ cells: cellsOf(64), ...limit });
        const buckets = new Map<bigint, LeakyBucket>();
        for (const { key, now } of timed(limit, schedule)) {
          const bucket = buckets.get(key) ?? new LeakyBucket(limit);
          buckets.set(key, bucket);
          expect(limiter.admit(key, now)).toBe(bucket.admit(now));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("never admits more than burst + rate × time within any stretch of time", () => {
    fc.assert(
      fc.property(limits, schedules, (limit, schedule) => {
        const limiter = new RateLimiter({ cells: cellsOf(64), ...limit });
        const admitted = timed(limit, schedule).filter(({ now }) => limiter.admit(1n, now) === 0);
        for (const [from, { now: start }] of admitted.entries()) {
          for (const [count, { now: end }] of admitted.slice(from).entries()) {
            const allowed = BigInt(limit.burst) + (end - start) / intervalOf(limit);
            expect(BigInt(count + 1)).toBeLessThanOrEqual(allowed);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test("says exactly when the next request is admitted, however often it is asked before", () => {
    const limiter = new RateLimiter({ cells: cellsOf(64), requests: 1000, windowMs: 1000, burst: 3 });
    const now = 5_000_000_000n;
    expect([1, 2, 3].map(() => limiter.admit(7n, now))).toEqual([0, 0, 0]);
    for (const early of [1_000_000n, 999_999n, 2n, 1n]) {
      expect(limiter.admit(7n, now + 1_000_000n - early)).toBe(Number(early));
    }
    expect(limiter.admit(7n, now + 1_000_000n)).toBe(0);
    expect(limiter.admit(7n, now + 1_000_000n)).toBe(1_000_000);
  });

  test("takes back an admission that is refunded", () => {
    const limiter = new RateLimiter({ cells: cellsOf(64), requests: 1000, windowMs: 1000, burst: 2 });
    const now = 5_000_000_000n;
    expect([limiter.admit(7n, now), limiter.admit(7n, now)]).toEqual([0, 0]);
    limiter.refund(7n, now);
    expect(limiter.admit(7n, now)).toBe(0);
    expect(limiter.admit(7n, now)).toBe(1_000_000);
  });

  test("never lets refunds add up to more than the burst", () => {
    const limiter = new RateLimiter({ cells: cellsOf(64), requests: 1000, windowMs: 1000, burst: 2 });
    for (let times = 0; times < 10; times++) limiter.refund(7n, 5_000_000_000n);
    expect([1, 2, 3].map(() => limiter.admit(7n, 5_000_000_000n))).toEqual([0, 0, 1_000_000]);
  });
});

describe("the table of cells", () => {
  test("serves 200,000 keys with 65,536 cells, and a busy key keeps its count among them", () => {
    const { rate } = createSharedMemory(1);
    const limiter = new RateLimiter({ cells: rate, requests: 100, windowMs: 60_000, burst: 20 });
    const now = 1_000_000_000n;
    const busy = rateKey("salt", "busy");
    while (limiter.admit(busy, now) === 0);
    const wait = limiter.admit(busy, now);
    let admitted = 0;
    for (let number = 0; number < 200_000; number++) {
      if (limiter.admit(BigInt.asIntN(64, BigInt(number + 1) * 0x9e3779b97f4a7c15n), now) === 0) admitted += 1;
    }
    expect(admitted).toBe(200_000);
    expect(limiter.admit(busy, now)).toBe(wait);
  });

  test("gives a new key the cell of one that is idle before that of one in use", () => {
    const cells = cellsOf(8);
    const limiter = new RateLimiter({ cells, requests: 1000, windowMs: 1000, burst: 5 });
    for (let key = 1n; key <= 8n; key++) limiter.admit(key, 1_000_000n);
    const later = 3_000_000n;
    for (const key of [1n, 2n, 3n, 5n, 6n, 7n, 8n]) limiter.admit(key, later);
    limiter.admit(100n, later);
    expect(cells.keys.toSorted()).toEqual(BigInt64Array.of(1n, 2n, 3n, 5n, 6n, 7n, 8n, 100n));
  });

  test("gives a new key the cell nearest to idle when all are in use, without that one's debt", () => {
    const limiter = new RateLimiter({ cells: cellsOf(8), requests: 1000, windowMs: 1000, burst: 5 });
    const now = 1_000_000_000n;
    for (let key = 1n; key <= 8n; key++)
      for (let times = 0; times < (key === 4n ? 2 : 5); times++) limiter.admit(key, now);
    expect(Array.from({ length: 6 }, () => limiter.admit(100n, now))).toEqual([0, 0, 0, 0, 0, 1_000_000]);
    for (const key of [1n, 2n, 3n, 5n, 6n, 7n, 8n]) expect(limiter.admit(key, now)).toBe(1_000_000);
  });

  test("finds a key again when one before it has fallen idle", () => {
    const limiter = new RateLimiter({ cells: cellsOf(8), requests: 1000, windowMs: 1000, burst: 5 });
    limiter.admit(8n, 0n); // in use until 1 ms
    for (let times = 0; times < 5; times++) limiter.admit(16n, 500_000n); // the same home, so the cell after it
    expect(limiter.admit(16n, 1_100_000n)).toBe(400_000);
  });
});

describe("a key", () => {
  test("fits a cell, is never 0, and depends on salt and name", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (salt, name) => {
        const key = rateKey(salt, name);
        expect(BigInt64Array.of(key)[0]).toBe(key);
        expect(key).not.toBe(0n);
        expect(rateKey(salt, name)).toBe(key);
        expect(rateKey(`${salt}x`, name)).not.toBe(key);
        expect(rateKey(salt, `${name}x`)).not.toBe(key);
      }),
    );
  });
});

function startThread(file: string, workerData: RateThreadStart | RateRaceStart): Worker {
  const worker = new Worker(new URL(`../../support/${file}`, import.meta.url), { workerData });
  onTestFinished(async () => void (await worker.terminate()));
  return worker;
}

test("three threads asking for the same keys at once get exactly what one would", async () => {
  const threads = 3;
  const limit = { requests: 1000, windowMs: 1000, burst: 1000 };
  const keys = ["agent", "10.0.0.1"].map((name) => rateKey("salt", name));
  const memory = createSharedMemory(threads);
  const start: RateThreadStart = { memory: memory.buffer, threads, limit, keys, forMs: 300 };
  const workers = Array.from({ length: threads }, () => startThread("rate-thread.ts", start));
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const results = workers.map((worker) => once(worker, "message") as Promise<[Admitted[]]>);
  const limiter = new RateLimiter({ cells: memory.rate, ...limit });
  const emptied = process.hrtime.bigint();
  for (const key of keys) for (let times = 0; times < limit.burst; times++) limiter.admit(key, emptied);
  for (const worker of workers) worker.postMessage("go");
  const seen = (await Promise.all(results)).map(([counts]) => counts);
  for (const index of keys.keys()) {
    const ofKey = seen.map((counts) => counts[index] as Admitted);
    const count = ofKey.reduce((sum, one) => sum + one.count, 0);
    const elapsed = ofKey.map(({ refusedAt }) => refusedAt - emptied).reduce((a, b) => (a > b ? a : b));
    expect(count).toBe(Number(elapsed / intervalOf(limit)));
  }
});

test("two threads that bring up the same new key at the same moment share one cell from the first request on", async () => {
  const keys = 1000;
  const start = { memory: createSharedMemory(2).buffer, reached: new SharedArrayBuffer(4), keys };
  const admitted = await Promise.all(
    [1, 2].map(async () => {
      const [count] = (await once(startThread("rate-race-thread.ts", start), "message")) as [number];
      return count;
    }),
  );
  expect(admitted.reduce((sum, count) => sum + count)).toBe(keys);
});

const limiter = () => new RateLimiter({ cells: cellsOf(64), requests: 10, windowMs: 1000, burst: 5 });

describe("what is left of a limit", () => {
  const MS = 1_000_000n;

  test("is told of what is admitted, and how long until all of it is back", () => {
    const limit = limiter();
    const now = 10_000n * MS;
    const taken = Array.from({ length: 6 }, () => limit.take(7n, now));
    expect(taken.slice(0, 5).map((one) => limit.remaining(one))).toEqual([4, 3, 2, 1, 0]);
    expect(taken.slice(0, 5).map((one) => limit.restored(one) / 1e6)).toEqual([100, 200, 300, 400, 500]);
    expect(taken[5]).toBe(100e6);
  });

  test("is asked without being touched, also of who has nothing there", () => {
    const limit = limiter();
    const now = 10_000n * MS;
    expect([limit.wait(7n, now), limit.wait(7n, now)]).toEqual([0, 0]);
    for (let count = 0; count < 5; count++) limit.take(7n, now);
    expect([limit.wait(7n, now), limit.wait(7n, now)]).toEqual([100e6, 100e6]);
    expect(limit.wait(7n, now + 100n * MS)).toBe(0);
  });

  test("is charged beyond nothing, and gone for as long as it is blocked", () => {
    const limit = limiter();
    const now = 10_000n * MS;
    limit.charge(7n, now, 8);
    expect(limit.wait(7n, now)).toBe(400e6);
    limit.block(8n, now, 5_000n * MS);
    expect(limit.wait(8n, now)).toBe(5e9);
    expect(limit.take(8n, now)).toBe(5e9);
    expect(limit.wait(8n, now + 5_000n * MS)).toBe(0);
  });
});
