import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { acquireDaemonLock, findLockHolder, isDaemonRunning } from "../../src/daemon/lock.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const newLock = () => join(temporaryFolder(), "daemon.lock");

async function holdInChild(file: string) {
  const program = join(import.meta.dirname, "lock-holder.ts");
  const child = spawn(process.execPath, [program, file], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child;
}

describe("the daemon's lock", () => {
  it("is free when nobody ever held it", () => {
    const file = newLock();
    expect(isDaemonRunning(file)).toBe(false);
    expect(findLockHolder(file)).toBeUndefined();
  });

  it("is refused to a second one in the same process, naming the holder", () => {
    const file = newLock();
    const lock = acquireDaemonLock(file);
    expect(isDaemonRunning(file)).toBe(true);
    expect(() => acquireDaemonLock(file)).toThrow(
      expect.objectContaining({
        code: "GW_004",
        details: expect.stringContaining(`process ${process.pid}, started 2`),
      }),
    );
    // Looking and failing must not have let go of it.
    expect(isDaemonRunning(file)).toBe(true);
    lock.release();
    expect(isDaemonRunning(file)).toBe(false);
    acquireDaemonLock(file).release();
  });

  it("is refused while another process holds it, and is free as soon as that one was killed", async () => {
    const file = newLock();
    const child = await holdInChild(file);
    expect(isDaemonRunning(file)).toBe(true);
    expect(findLockHolder(file)?.pid).toBe(child.pid);
    expect(() => acquireDaemonLock(file)).toThrow(
      expect.objectContaining({ code: "GW_004", details: expect.stringContaining(String(child.pid)) }),
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isDaemonRunning(file)).toBe(false);
    expect(findLockHolder(file)).toBeUndefined();
    acquireDaemonLock(file).release();
  });

  it("is not taken by one who cannot write down that it is, and nothing is left behind", () => {
    const file = newLock();
    const holder = join(dirname(file), "daemon.json");
    mkdirSync(holder);
    expect(() => acquireDaemonLock(file)).toThrow(expect.objectContaining({ code: "GW_008" }));
    expect(isDaemonRunning(file)).toBe(false);
    rmdirSync(holder);
    expect(readdirSync(dirname(file)).filter((name) => name.startsWith("daemon.json"))).toEqual([]);
    acquireDaemonLock(file).release();
  });

  it("lives in private files", () => {
    const file = newLock();
    const lock = acquireDaemonLock(file);
    onTestFinished(() => lock.release());
    for (const name of [file, join(file, "..", "daemon.json")]) expect(statSync(name).mode & 0o777).toBe(0o600);
  });
});
