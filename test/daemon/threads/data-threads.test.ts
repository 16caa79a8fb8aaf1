import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { createSharedMemory, type PulseWords } from "../../../src/daemon/shared-memory/layout.ts";
import { DataThread } from "../../../src/daemon/threads/data-thread.ts";
import type { RevocationRow } from "../../../src/domain/token.ts";
import { openDataFolder } from "../../../src/store/data-folder.ts";
import { eventually } from "../../support/eventually.ts";
import { type InProcessDaemon, startInProcessDaemon } from "../../support/in-process-daemon.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { SOME_SANDBOX } from "../../support/sandboxes.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { startUpstream } from "../../support/upstream.ts";
import { hangThread } from "../../support/thread-debugger.ts";
import { NO_EXTENT, NO_STATE } from "../../support/snapshot.ts";

async function statusOf(url: string): Promise<number> {
  const dispatcher = new Agent({ headersTimeout: 1000 });
  try {
    const response = await request(url, { dispatcher });
    await response.body.dump();
    return response.statusCode;
  } catch {
    return 0;
  } finally {
    await dispatcher.destroy();
  }
}

async function readiness({ admin }: InProcessDaemon): Promise<string> {
  const response = await fetch(`${admin}/readyz`);
  return `${response.status} ${await response.text()}`;
}

/** Takes a port as soon as nobody else has it. */
async function occupy(port: number): Promise<Server> {
  for (;;) {
    const server = createServer((socket) => socket.destroy());
    const isMine = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen({ port, host: "127.0.0.1" }, () => resolve(true));
    });
    if (!isMine) continue;
    onTestFinished(() => void server.close());
    return server;
  }
}

test("a thread whose port was taken while it was replaced is tried again until it can listen, and readiness says why", async () => {
  const running = await startInProcessDaemon({ GATEWAY_WORKERS: "1" });
  const { daemon, url, lines } = running;
  expect(await readiness(running)).toBe("200 ok\n");
  const [, squatter] = await Promise.all([daemon.replaceThread(0), occupy(daemon.port)]);
  await eventually(
    "the thread has tried to listen",
    () => lines.some(({ fields }) => JSON.stringify(fields).includes("EADDRINUSE")),
    15_000,
  );
  expect(await readiness(running)).toMatch(/^503 no data thread serves: .*EADDRINUSE/);
  squatter.close();
  await eventually("it serves", async () => (await statusOf(`${url}/health/proxy`)) === 200, 15_000);
  expect(await readiness(running)).toBe("200 ok\n");
  expect(lines.filter(({ level }) => level === "error")).toHaveLength(2);
}, 60_000);

test("a thread that hangs is noticed and replaced", async () => {
  const running = await startInProcessDaemon({ GATEWAY_WORKERS: "1", THREAD_HANG_TIMEOUT: "1s" });
  const { url, lines } = running;
  await hangThread(0);
  expect(await statusOf(`${url}/health/proxy`)).toBe(0);
  await eventually("another one serves", async () => (await statusOf(`${url}/health/proxy`)) === 200, 15_000);
  expect(lines.find(({ level }) => level === "error")).toEqual({
    level: "error",
    message: "data thread ended; starting another",
    fields: { thread: 0, reason: "no sign of life for 1000 ms" },
  });
}, 60_000);

test("a thread that hangs does not keep the daemon from stopping", async () => {
  const { daemon } = await startInProcessDaemon({ GATEWAY_WORKERS: "2", THREAD_HANG_TIMEOUT: "500ms" });
  await hangThread(1);
  await expect(daemon.close(0)).resolves.toBeUndefined();
}, 60_000);

test("what a thread held when it died with calls in flight is given back", async () => {
  const running = await startInProcessDaemon({ GATEWAY_WORKERS: "1", RATE_LIMIT_ENABLED: "false" });
  const { daemon, url, addSandbox, token } = running;
  let reached = 0;
  await addSandbox("box", await startUpstream(() => void (reached += 1)));
  const { authorization } = await token();
  const calls = Array.from({ length: 5 }, () =>
    fetch(`${url}/s/box/`, { headers: { authorization } }).then(
      () => "answered",
      () => "broken off",
    ),
  );
  const health = async () => (await (await fetch(`${url}/health/proxy`)).json()) as Record<string, unknown>;
  const offer = await RawConnection.open(daemon.port);
  offer.send(
    `GET /s/box/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n`,
  );
  await eventually("all have reached the sandbox", () => reached === 6, 15_000);
  expect(await health()).toMatchObject({ in_flight: 6, tunnels: 1 });
  await daemon.replaceThread(0);
  expect(await Promise.all(calls)).toEqual(Array(5).fill("broken off"));
  await eventually("another thread serves", async () => (await statusOf(`${url}/health/proxy`)) === 200, 15_000);
  const page = await health();
  expect(page).toMatchObject({ in_flight: 0, tunnels: 0 });
  const metrics = await (await fetch(`${running.admin}/metrics`)).text();
  expect(metrics).toMatch(/^sandboxgw_instance_in_flight\S* 0$/m);
}, 60_000);

test("a thread that cannot even be started is an error of its start, and nothing else", async () => {
  const memory = createSharedMemory(1);
  let ended = 0;
  const thread = new DataThread({
    thread: 0,
    pulse: memory.pulses[0] as PulseWords,
    start() {
      throw new Error("no state to start with");
    },
    place: () => Promise.reject(new Error("it never gets this far")),
    hangMs: 1000,
    onAudit: () => undefined,
    onErrand: () => Promise.resolve({ session: null }),
    onUses: () => undefined,
    onLog: () => undefined,
    onServing: () => undefined,
    onEnded: () => void (ended += 1),
  });
  await expect(thread.start(0)).rejects.toMatchObject({ code: "GW_010", details: "Error: no state to start with" });
  expect(ended).toBe(1);
  await thread.drain({ graceMs: 0, delayMs: 0, accept: "delay" });
});

test("a thread that has lost changes is noticed when it is asked to forget, and gets the whole state", async () => {
  const memory = createSharedMemory(1);
  const folder = openDataFolder(join(temporaryFolder(), "data"));
  const env = { DATA_DIR: folder.root, GATEWAY_PORT: "0" };
  const { config } = loadConfig({ flags: {}, env, cwd: folder.root });
  const state = { ...NO_STATE, revision: 1, sandboxes: [SOME_SANDBOX], revoked: [] as RevocationRow[] };
  const messages: string[] = [];
  const thread = new DataThread({
    thread: 0,
    pulse: memory.pulses[0] as PulseWords,
    start: () => ({
      thread: 0,
      threads: 1,
      config,
      memory: memory.buffer,
      snapshot: state,
      socketFolder: folder.run,
      keys: {
        tokenHashKey: new Uint8Array(32),
        sealingKey: new Uint8Array(32),
        stickyKey: new Uint8Array(32),
        tokenSecret: null,
      },
      salt: "salt",
    }),
    place: async (port) => ({ port, reusePort: false }),
    hangMs: 10_000,
    onAudit: () => undefined,
    onErrand: () => Promise.resolve({ session: null }),
    onUses: () => undefined,
    onLog: (_level, message) => void messages.push(message),
    onServing: () => undefined,
    onEnded: () => undefined,
  });
  onTestFinished(() => thread.drain({ graceMs: 0, delayMs: 0, accept: "delay" }));
  await thread.start(0);
  const expired = { tokenId: "old", expiresAt: 5 };
  const change = { kind: "token.revoked", ...expired } as const;
  thread.post({ kind: "changes", changes: [{ revision: 2, change }] });
  thread.post({ kind: "forget", expiredBy: 5, left: { ...NO_EXTENT, revision: 2, sandboxes: 1 } });
  await eventually("the change is in force", () => thread.revision === 2);
  state.revision = 3;
  state.revoked.push({ tokenId: "lost", expiresAt: 9 });
  thread.post({ kind: "forget", expiredBy: 5, left: { ...NO_EXTENT, revision: 2, sandboxes: 1, revoked: 1 } });
  await eventually("it has the whole state", () => thread.revision === 3);
  expect(messages).toEqual(["a data thread had lost changes; it gets the whole state"]);
});
