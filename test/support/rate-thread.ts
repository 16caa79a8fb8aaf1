// A thread that asks a rate limiter about the same keys as often as it can.

import { parentPort, workerData } from "node:worker_threads";
import { RateLimiter } from "../../src/limits/rate/rate-limit.ts";
import { attachSharedMemory } from "../../src/daemon/shared-memory/layout.ts";

export interface RateThreadStart {
  readonly memory: SharedArrayBuffer;
  readonly threads: number;
  readonly limit: { readonly requests: number; readonly windowMs: number; readonly burst: number };
  readonly keys: readonly bigint[];
  readonly forMs: number;
}

/** For one key: requests admitted, and the time (monotonic, nanoseconds) of the last one, which was refused. */
export interface Admitted {
  count: number;
  refusedAt: bigint;
}

const { memory, threads, limit, keys, forMs }: RateThreadStart = workerData;
const limiter = new RateLimiter({ cells: attachSharedMemory(memory, threads).rate, ...limit });

parentPort?.once("message", () => {
  const counts = keys.map((): Admitted => ({ count: 0, refusedAt: 0n }));
  const end = process.hrtime.bigint() + BigInt(forMs) * 1_000_000n;
  while (counts.some(({ refusedAt }) => refusedAt < end)) {
    for (const [index, seen] of counts.entries()) {
      const now = process.hrtime.bigint();
      if (limiter.admit(keys[index] as bigint, now) === 0) seen.count += 1;
      else seen.refusedAt = now;
    }
  }
  parentPort?.postMessage(counts);
  parentPort?.close();
});
parentPort?.postMessage("ready");
