import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { onTestFinished, expect, test, vi } from "vitest";
import type { InstanceState } from "../../../src/drivers/driver.ts";
import { Supervisor, type SupervisorOptions } from "../../../src/drivers/supervisor/supervisor.ts";
import { isAlive } from "../../support/processes.ts";

const READY = 'process.send("ready"); setInterval(() => {}, 1000);';

/** A supervisor of the given script, with what it reported and the processes it started. */
function supervise(script: string, options: Partial<SupervisorOptions> = {}) {
  const states: InstanceState[] = [];
  const reasons: string[] = [];
  const children: ChildProcess[] = [];
  const supervisor = new Supervisor({
    spawn: () => {
      const stdio = ["ignore", "ignore", "pipe", "ipc"] as const;
      const child = spawn(process.execPath, ["-e", script], { stdio: [...stdio], detached: true });
      children.push(child);
      return child;
    },
    report: (state, reason) => {
      states.push(state);
      if (reason !== "") reasons.push(reason);
    },
    minBackoffMs: 10,
    ...options,
  });
  onTestFinished(() => supervisor.stop());
  return { supervisor, states, reasons, children };
}

test("a process is up when it says that it is ready, and gone when it was stopped", async () => {
  const { supervisor, states, children } = supervise(READY);
  supervisor.start();
  await vi.waitFor(() => expect(states).toEqual(["starting", "up"]));
  await supervisor.stop();
  expect(states).toEqual(["starting", "up", "down"]);
  expect(children.map(({ pid }) => isAlive(pid))).toEqual([false]);
});

test("a process that cannot even be asked for is down, and is asked for again", async () => {
  let asked = 0;
  const states: string[] = [];
  const supervisor = new Supervisor({
    spawn: () => {
      asked += 1;
      if (asked < 3) throw new Error("spawn EAGAIN");
      return spawn(process.execPath, ["-e", READY], { stdio: ["ignore", "ignore", "pipe", "ipc"], detached: true });
    },
    report: (state, reason) => states.push(`${state} ${reason}`.trim()),
    minBackoffMs: 10,
  });
  onTestFinished(() => supervisor.stop());
  supervisor.start();
  const failed = ["starting", "down cannot start: spawn EAGAIN"];
  await vi.waitFor(() => expect(states).toEqual([...failed, ...failed, "starting", "up"]), { timeout: 10_000 });
});

test("a process that is killed is started again", async () => {
  const { supervisor, states, reasons, children } = supervise(READY);
  supervisor.start();
  await vi.waitFor(() => expect(states.at(-1)).toBe("up"));
  children[0]?.kill("SIGKILL");
  await vi.waitFor(() => expect(states).toEqual(["starting", "up", "down", "starting", "up"]));
  expect(reasons).toEqual(["killed by SIGKILL"]);
});

test("the wait before a restart grows up to its bound, and the reason tells what the process said last", async () => {
  const started: number[] = [];
  const { supervisor, reasons } = supervise('console.error("no such thing"); process.exit(3)', {
    minBackoffMs: 50,
    maxBackoffMs: 200,
    report: (state, reason) => {
      if (state === "starting") started.push(performance.now());
      if (state === "down") reasons.push(reason);
    },
  });
  supervisor.start();
  await vi.waitFor(() => expect(started.length).toBe(4), { timeout: 5_000 });
  const waits = started.slice(1).map((at, index) => at - (started[index] ?? 0));
  expect(waits[0]).toBeGreaterThanOrEqual(50);
  expect(waits[1]).toBeGreaterThanOrEqual(100);
  expect(waits[2]).toBeGreaterThanOrEqual(200);
  expect(reasons[0]).toBe("exited with code 3: no such thing");
});

test("a process that does not become ready in time is killed and its start repeated", async () => {
  const { supervisor, states, reasons } = supervise("setInterval(() => {}, 1000)", { startTimeoutMs: 100 });
  supervisor.start();
  await vi.waitFor(() => expect(states.slice(0, 3)).toEqual(["starting", "down", "starting"]));
  expect(reasons[0]).toBe("not ready within 100 ms");
});

test("a program that does not exist is reported, not thrown", async () => {
  const { supervisor, reasons } = supervise("", { spawn: () => spawn("/nonexistent", { detached: true }) });
  supervisor.start();
  await vi.waitFor(() => expect(reasons[0]).toBe("cannot start: spawn /nonexistent ENOENT"));
});

test("a process that ignores SIGTERM is killed after the grace", async () => {
  const { supervisor, states, children } = supervise(`process.on("SIGTERM", () => {}); ${READY}`, { graceMs: 100 });
  supervisor.start();
  await vi.waitFor(() => expect(states.at(-1)).toBe("up"));
  await supervisor.stop();
  expect(isAlive(children[0]?.pid)).toBe(false);
});

test("what a process started does not outlive it", async () => {
  const parent = `const { spawn } = require("child_process");
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    child.once("spawn", () => process.send(child.pid)); setInterval(() => {}, 1000);`;
  const { supervisor, states, children } = supervise(parent);
  supervisor.start();
  const [child] = children;
  if (child === undefined) throw new Error("nothing was started");
  const [grandchild]: number[] = await once(child, "message");
  expect(isAlive(grandchild)).toBe(true);
  child.kill("SIGKILL");
  await vi.waitFor(() => expect(states).toContain("down"));
  await vi.waitFor(() => expect(isAlive(grandchild)).toBe(false));
});

test("stopping before the start and twice does nothing", async () => {
  const { supervisor, states } = supervise(READY);
  await supervisor.stop();
  supervisor.start();
  await supervisor.stop();
  expect(states).toEqual([]);
});

test("stopping ends the wait before a restart", async () => {
  const { supervisor, states } = supervise("process.exit(1)", { minBackoffMs: 60_000 });
  supervisor.start();
  await vi.waitFor(() => expect(states.at(-1)).toBe("down"));
  await supervisor.stop();
  expect(states).toEqual(["starting", "down"]);
});
