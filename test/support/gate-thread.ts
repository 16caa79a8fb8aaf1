// A thread of callers that go through the concurrency gate as fast as they can, or one that takes slots and dies.

import { parentPort, workerData } from "node:worker_threads";
import { attachSharedMemory } from "../../src/daemon/shared-memory/layout.ts";
import { ConcurrencyGate } from "../../src/limits/concurrency.ts";

export interface GateThreadStart {
  readonly memory: SharedArrayBuffer;
  readonly thread: number;
  readonly threads: number;
  readonly max: number;
  /** [0] callers inside now, [1] the most there ever were. */
  readonly inside: SharedArrayBuffer;
  readonly callers: number;
  readonly rounds: number;
  /** Keep every slot and every place in the queue until the end of the thread. */
  readonly hoard: boolean;
}

const start: GateThreadStart = workerData;
const inside = new Int32Array(start.inside);
const gate = new ConcurrencyGate({
  words: attachSharedMemory(start.memory, start.threads).slots,
  thread: start.thread,
  threads: start.threads,
  limits: {
    max: start.max,
    maxPerCaller: start.max,
    maxPerSandbox: start.max,
    maxPending: 1000,
    maxPendingPerCaller: 1000,
    maxAgeMs: 60_000,
    targetMs: 60_000,
  },
});
const NOBODY = { callerKey: null, sandboxKey: null };
const never = new AbortController().signal;

async function call(caller: number): Promise<void> {
  for (let round = 0; round < start.rounds; round++) {
    if (!gate.tryAcquire(NOBODY)) await gate.acquire(NOBODY, never);
    if (start.hoard) return;
    const now = Atomics.add(inside, 0, 1) + 1;
    for (let most = Atomics.load(inside, 1); now > most; most = Atomics.load(inside, 1)) {
      Atomics.compareExchange(inside, 1, most, now);
    }
    if ((round + caller) % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    Atomics.sub(inside, 0, 1);
    gate.release(NOBODY);
  }
}

// Waiting for a slot keeps no thread alive; a data thread has its listener.
setInterval(() => undefined, 60_000);
const calls = Array.from({ length: start.callers }, (_, caller) => call(caller));
parentPort?.postMessage("started");
await Promise.all(calls);
parentPort?.postMessage("done");
