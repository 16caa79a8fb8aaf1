// A thread that takes what it gets of a tally's keys and gives it back, until it is told to stop or is ended in the middle.

import { parentPort, workerData } from "node:worker_threads";
import { attachSharedMemory } from "../../src/daemon/shared-memory/layout.ts";
import { Tally } from "../../src/limits/tunnels/tally.ts";

export interface TallyThreadStart {
  readonly memory: SharedArrayBuffer;
  readonly threads: number;
  readonly thread: number;
  /** Of each key, over all threads. */
  readonly most: number;
  readonly keys: readonly bigint[];
  /** [0] 1: stop; then by key: how many are held, over all threads, as the threads see it. */
  readonly seen: SharedArrayBuffer;
}

const { memory, threads, thread, most, keys, seen }: TallyThreadStart = workerData;
const tally = new Tally({ words: attachSharedMemory(memory, threads).tunnels, thread });
const words = new Int32Array(seen);
let taken = 0;
let exceeded = 0;
parentPort?.postMessage("begun");
while (Atomics.load(words, 0) === 0) {
  for (const [index, key] of keys.entries()) {
    const bounds = [{ key, most }];
    if (tally.take(1_000_000, bounds) !== "counted") continue;
    taken += 1;
    if (Atomics.add(words, index + 1, 1) >= most) exceeded += 1;
    Atomics.sub(words, index + 1, 1);
    tally.release(bounds);
  }
}
parentPort?.postMessage({ taken, exceeded });
