// One of two threads that ask for the same new keys at the same moments.

import { parentPort, workerData } from "node:worker_threads";
import { RateLimiter } from "../../src/limits/rate/rate-limit.ts";
import { attachSharedMemory } from "../../src/daemon/shared-memory/layout.ts";

export interface RateRaceStart {
  readonly memory: SharedArrayBuffer;
  /** [0] how many keys have been reached, by both threads together. */
  readonly reached: SharedArrayBuffer;
  readonly keys: number;
}

const { memory, reached, keys }: RateRaceStart = workerData;
const limiter = new RateLimiter({
  cells: attachSharedMemory(memory, 2).rate,
  requests: 1,
  windowMs: 60_000,
  burst: 1,
});
const line = new Int32Array(reached);
let admitted = 0;
for (let key = 1; key <= keys; key++) {
  Atomics.add(line, 0, 1);
  while (Atomics.load(line, 0) < 2 * key);
  if (limiter.admit(BigInt(key), process.hrtime.bigint()) === 0) admitted += 1;
}
parentPort?.postMessage(admitted);
