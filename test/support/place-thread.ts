// A thread that claims, reports and releases an instance whose place may be another's by now, as fast as it can.

import { CIRCUITS } from "./circuits.ts";
import { parentPort, workerData } from "node:worker_threads";
import { attachSharedMemory } from "../../src/daemon/shared-memory/layout.ts";
import { SharedBoard } from "../../src/proxy/health/board.ts";
import { PLAIN_INSTANCE, SOME_SANDBOX } from "./sandboxes.ts";

export interface PlaceThreadStart {
  readonly memory: SharedArrayBuffer;
  /** [0] number of the instance to work with, -1 to stop, [1] set at the end: how often it was done. */
  readonly current: SharedArrayBuffer;
}

const start: PlaceThreadStart = workerData;
const current = new Int32Array(start.current);
const board = new SharedBoard({ words: attachSharedMemory(start.memory, 1).instances, thread: 0, circuits: CIRCUITS });
parentPort?.postMessage("started");
let rounds = 0;
for (let number = 0; number >= 0; number = Atomics.load(current, 0)) {
  const instance = {
    id: `ins_${number}`,
    sandboxId: "x",
    url: "http://x:1",
    number,
    ...PLAIN_INSTANCE,
    place: 0,
  };
  if (board.claim(instance, 0) >= 0) board.release(instance, 0);
  board.report(SOME_SANDBOX, instance, 0, "unreachable");
  rounds += 1;
}
Atomics.store(current, 1, rounds);
