import { renameSync } from "node:fs";
import { join } from "node:path";
import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { type Daemon, startDaemon } from "../../src/daemon/daemon.ts";
import type { Log } from "../../src/daemon/parts/log.ts";
import { eventually } from "../support/eventually.ts";
import { openTestStore } from "../support/stores.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startUpstream } from "../support/upstream.ts";
import { PLAIN_SANDBOX } from "../support/sandboxes.ts";

const quiet: Log = { info() {}, warn() {}, error() {} };

async function start(
  env: Record<string, string> = {},
  log: Log = quiet,
  dataDir: string = join(temporaryFolder(), "data"),
): Promise<Daemon> {
  const defaults = { DATA_DIR: dataDir, GATEWAY_PORT: "0", ADMIN_PORT: "0", GATEWAY_WORKERS: "2" };
  const readConfig = () => loadConfig({ flags: {}, env: { ...defaults, ...env }, cwd: "/" });
  const daemon = await startDaemon({ config: readConfig().config, log, readConfig });
  onTestFinished(() => daemon.close(0));
  return daemon;
}

const health = async (daemon: Daemon): Promise<number> => {
  const dispatcher = new Agent();
  const response = await request(`http://127.0.0.1:${daemon.port}/health/proxy`, { dispatcher });
  await response.body.dump();
  await dispatcher.destroy();
  return response.statusCode;
};

test("a data thread that ends is replaced, and its peer serves meanwhile", async () => {
  const messages: string[] = [];
  const daemon = await start({}, { ...quiet, error: (_fields, message) => void messages.push(message) });
  await daemon.replaceThread(0);
  // Whatever still reached the dead thread's listener was reset; new connections go to the peer.
  expect(await health(daemon)).toBe(200);
  await daemon.replaceThread(1);
  await eventually(
    "a thread started in place of a dead one serves",
    () =>
      health(daemon).then(
        (status) => status === 200,
        () => false,
      ),
    15_000,
  );
  expect(messages).toEqual(["data thread ended; starting another", "data thread ended; starting another"]);
}, 60_000);

test("readiness, liveness and metrics are on a listener of their own", async () => {
  const daemon = await start();
  const page = async (path: string, port = daemon.adminPort) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  };
  expect(await page("/livez")).toEqual({ status: 200, text: "ok\n" });
  expect(await page("/readyz")).toEqual({ status: 200, text: "ok\n" });
  await page("/s/nobody/", daemon.port);
  const { text } = await page("/metrics");
  expect(text).toMatch(/^sandboxgw_auth_failures_total\{reason="missing"\} 1$/m);
  expect(text).toMatch(/^sandboxgw_errors_total\{code="AUTH_002"\} 1$/m);
  expect((await page("/metrics", daemon.port)).status).toBe(401);
  expect((await page("/anything")).status).toBe(404);
});

test.each([
  ["the database", "sandboxgw.db"],
  ["the database's log", "sandboxgw.db-wal"],
])("a call that ends after %s was moved away is not answered as if it had been recorded", async (_, name) => {
  const dataDir = join(temporaryFolder(), "data");
  const daemon = await start({ AUTH_ENABLED: "false" }, quiet, dataDir);
  let holding = false;
  let answer: (() => void) | undefined;
  const url = await startUpstream((_req, res) => {
    if (holding) answer = () => res.end("done");
    else res.end();
  });
  const store = openTestStore(join(dataDir, "sandboxgw.db"));
  await store.transaction(async ({ sandboxes, changes }) => {
    const sandbox = {
      id: "box",
      ...PLAIN_SANDBOX,
    };
    await sandboxes.create(sandbox);
    const instance = await sandboxes.createInstance({ id: "ins_1", sandboxId: "box", url, weight: 1 });
    await changes.append({ kind: "sandbox.put", sandbox: { ...sandbox, instances: [instance] } }, 0);
  });
  const call = (): Promise<Response> => fetch(`http://127.0.0.1:${daemon.port}/s/box/`);
  await eventually("the sandbox is in force on both threads", async () => {
    const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await call()).status));
    return statuses.every((status) => status === 200);
  });
  holding = true;
  const response = call();
  await eventually("the sandbox has the call", () => answer !== undefined);
  renameSync(join(dataDir, name), join(dataDir, "elsewhere"));
  const readyz = async () => (await fetch(`http://127.0.0.1:${daemon.adminPort}/readyz`)).status;
  await eventually("it is noticed", async () => (await readyz()) === 503);
  answer?.();
  expect(await (await response).json()).toMatchObject({ error: { code: "GW_003", executed: "yes" } });
  expect(await readyz()).toBe(503);
});
