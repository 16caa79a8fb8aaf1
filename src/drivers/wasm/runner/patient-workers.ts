import { syncBuiltinESMExports } from "node:module";
import { pathToFileURL } from "node:url";
import workerThreads, { Worker, type WorkerOptions } from "node:worker_threads";

// just-bash's threads wait for an answer to each file operation and take being woken for having been answered. But the
// other side first sets the answer and then wakes, so its wake-up can hit a thread that saw the answer by itself and
// already waits for the next one: that operation then fails with an I/O error, a few times in 100,000 on a busy machine.
const WAIT_UNTIL_CHANGED = `{
  const wait = Atomics.wait;
  Atomics.wait = (array, index, value, timeout = Infinity) => {
    const deadline = Date.now() + timeout;
    for (;;) {
      const result = wait(array, index, value, deadline - Date.now());
      if (result !== "ok" || Atomics.load(array, index) !== value) return result;
    }
  };
}`;

/** From now on every thread of this process waits for a change and not just for being woken. Before just-bash is loaded. */
export function makeWorkersPatient(): void {
  class PatientWorker extends Worker {
    constructor(file: string, options?: WorkerOptions) {
      const start = `import(${JSON.stringify(pathToFileURL(file).href)})`;
      super(`${WAIT_UNTIL_CHANGED}\n${start}`, { ...options, eval: true });
    }
  }
  Object.assign(workerThreads, { Worker: PatientWorker });
  syncBuiltinESMExports();
}
