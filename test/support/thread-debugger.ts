import { Session } from "node:inspector/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { eventually } from "./eventually.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/**
 * Evaluates an expression on the data thread of that number, as somebody would who has attached a debugger to this process. Resolves
 * as soon as it has been sent: what blocks the thread never answers.
 */
async function evaluateOnThread(thread: number, expression: string): Promise<void> {
  const session = new Session();
  session.connect();
  onTestFinished(() => session.disconnect());
  const workers: string[] = [];
  session.on("NodeWorker.attachedToWorker", ({ params }) => void workers.push(params.sessionId));
  await session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  const guarded = `(() => {
    const { workerData } = process.getBuiltinModule("node:worker_threads");
    if (workerData?.data?.thread === ${thread}) ${expression};
  })()`;
  const message = JSON.stringify({ id: 1, method: "Runtime.evaluate", params: { expression: guarded } });
  for (const sessionId of workers) await session.post("NodeWorker.sendMessageToWorker", { sessionId, message });
}

/** Makes that data thread stand still for ever, as if it had come upon an endless loop. Resolves when it does. */
export async function hangThread(thread: number): Promise<void> {
  const mark = join(temporaryFolder(), "hangs");
  await evaluateOnThread(
    thread,
    `{
      process.getBuiltinModule("node:fs").writeFileSync(${JSON.stringify(mark)}, "");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    }`,
  );
  await eventually("the thread hangs", () => existsSync(mark), 15_000);
}
