import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import fs from "node:fs";
import path from "node:path";

// In a process of its own, because the change is to the whole process.
test("a thread that is woken too early goes on waiting, within its time limit", async () => {
  const folder = temporaryFolder();
  const thread = path.join(folder, "thread.mjs");
  fs.writeFileSync(
    thread,
    `import { parentPort, workerData } from "node:worker_threads";
     const cell = new Int32Array(workerData);
     parentPort.postMessage("waiting");
     const result = Atomics.wait(cell, 0, 1, 10_000);
     const late = Atomics.wait(cell, 1, 0, 20);
     parentPort.postMessage([result, Atomics.load(cell, 0), late]);`,
  );
  const script = `
    import { makeWorkersPatient } from ${JSON.stringify(new URL("../../../../src/drivers/wasm/runner/patient-workers.ts", import.meta.url).href)};
    makeWorkersPatient();
    const { Worker } = await import("node:worker_threads");
    const cell = new Int32Array(new SharedArrayBuffer(8));
    cell[0] = 1;
    const worker = new Worker(${JSON.stringify(thread)}, { workerData: cell.buffer });
    worker.once("message", () => {
      while (Atomics.notify(cell, 0) === 0); // really woken, without a change
      while (Atomics.notify(cell, 0) === 0);
      worker.once("message", (message) => console.log(JSON.stringify(message)));
      Atomics.store(cell, 0, 2);
      Atomics.notify(cell, 0);
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  expect(JSON.parse(await text(child.stdout))).toEqual(["ok", 2, "timed-out"]);
});
