import { Session } from "node:inspector/promises";
import { onTestFinished } from "vitest";

/**
 * Evaluates an expression on the data thread of that number, as somebody would who has attached a debugger to this process. Resolves
 * as soon as it has been sent: what blocks the thread never answers.
 */
export async function evaluateOnThread(thread: number, expression: string): Promise<void> {
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

/** Stands still for ever. */
export const HANG = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)";
