import { join } from "node:path";
import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startInProcessDaemon } from "../support/in-process-daemon.ts";
import { openTestStore } from "../support/stores.ts";
import { hangThread } from "../support/thread-debugger.ts";
import { PLAIN_SANDBOX } from "../support/sandboxes.ts";

/** A daemon, and the same state seen from outside as by another process. */
async function start(env: Record<string, string> = {}) {
  const running = await startInProcessDaemon({ AUTH_ENABLED: "false", RATE_LIMIT_ENABLED: "false", ...env });
  const store = openTestStore(join(running.dataDir, "sandboxgw.db"));
  let added = 0;
  return {
    ...running,
    inForce: async (): Promise<{ revision: number } | null> =>
      JSON.parse((await store.observed.find("in_force"))?.json ?? "null"),
    /** Returns the revision. */
    change: (): Promise<number> =>
      store.transaction(({ changes }) => {
        const sandbox = {
          id: `box-${added++}`,
          ...PLAIN_SANDBOX,
        };
        return changes.append({ kind: "sandbox.put", sandbox: { ...sandbox, instances: [] } }, Date.now());
      }),
  };
}

test("the revision that all threads serve is written at the start and as soon as a change is in force on all", async () => {
  const { url, inForce, change } = await start({ GATEWAY_WORKERS: "3" });
  await eventually("the first one is written", async () => (await inForce()) !== null);
  expect(await inForce()).toEqual({ revision: 0 });
  const agents = Array.from({ length: 12 }, () => new Agent({ connections: 1 }));
  onTestFinished(async () => void (await Promise.all(agents.map((agent) => agent.destroy()))));
  const revisions = () =>
    Promise.all(
      agents.map(async (dispatcher) => {
        const page = (await (await request(`${url}/health/proxy`, { dispatcher })).body.json()) as { revision: number };
        return page.revision;
      }),
    );
  await revisions(); // connected
  for (let round = 0; round < 20; round++) {
    const revision = await change();
    await eventually("it is in force", async () => (await inForce())?.revision === revision);
    expect(new Set(await revisions())).toEqual(new Set([revision]));
  }
}, 60_000);

test("a change is not called in force while a thread does not take it, and is when that thread was replaced", async () => {
  const { inForce, change, lines } = await start({ THREAD_HANG_TIMEOUT: "1s" });
  await eventually("the first one is written", async () => (await inForce()) !== null);
  await hangThread(1);
  const revision = await change();
  const seen = new Set<unknown>();
  await eventually(
    "the thread is replaced",
    async () => {
      const isReplaced = lines.some(({ message }) => message === "data thread ended; starting another");
      if (!isReplaced) seen.add(JSON.stringify(await inForce()));
      return isReplaced;
    },
    15_000,
  );
  expect(seen).toEqual(new Set(['{"revision":0}']));
  await eventually("it is in force", async () => (await inForce())?.revision === revision, 15_000);
}, 60_000);
