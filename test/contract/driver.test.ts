import fs from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { Instance, Sandbox } from "../../src/domain/sandbox.ts";
import type { InstanceState } from "../../src/drivers/driver.ts";
import { createDrivers, DRIVERS } from "../../src/registry.ts";
import { argumentsOf, descendantsOf } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { PLAIN_INSTANCE, PLAIN_SANDBOX } from "../support/sandboxes.ts";

const KINDS = (Object.keys(DRIVERS) as (keyof typeof DRIVERS)[]).map((name) => ({ name, ...DRIVERS[name] }));
const patiently = { timeout: 15_000 };

describe.each(KINDS)("the driver $name", ({ name, managed }) => {
  /** A driver of this kind, what it told, and what runs for it. */
  function driving() {
    const folder = temporaryFolder();
    const runDirectory = join(folder, "run");
    fs.mkdirSync(runDirectory);
    const told: { instance: Instance; state: InstanceState; reason: string }[] = [];
    const { config } = loadConfig({ flags: {}, env: {}, cwd: folder });
    const driver = createDrivers({
      config,
      runDirectory,
      cacheDirectory: join(folder, "cache"),
      report: (instance, state, reason) => told.push({ instance, state, reason }),
      warn: () => undefined,
    })[name];
    onTestFinished(() => driver.close());
    const statesOf = (id: string) => told.filter(({ instance }) => instance.id === id).map(({ state }) => state);
    const running = () => descendantsOf(process.pid).filter((pid) => argumentsOf(pid).includes(runDirectory));
    return { driver, told, statesOf, running };
  }

  function sandboxOf(id: string): [Sandbox, Instance] {
    const url = managed ? `unix:${id}.sock` : "http://127.0.0.1:9";
    const instance: Instance = { id, sandboxId: "box", url, number: 1, ...PLAIN_INSTANCE };
    return [
      {
        id: "box",
        ...PLAIN_SANDBOX,
        driver: name,
        instances: [instance],
      },
      instance,
    ];
  }

  /** Resolves when the driver has done for the instance what start is to do. */
  const started = (statesOf: (id: string) => InstanceState[], id: string): Promise<void> =>
    vi.waitFor(() => expect(statesOf(id).at(-1)).toBe(managed ? "up" : undefined), patiently);

  test("starts an instance once, however often it is told to", async () => {
    const { driver, told, statesOf, running } = driving();
    const [sandbox, instance] = sandboxOf("ins_1");
    expect(driver.start(sandbox, instance)).toBeUndefined();
    driver.start(sandbox, instance);
    await started(statesOf, "ins_1");
    driver.start(sandbox, instance);
    expect(running()).toHaveLength(managed ? 1 : 0);
    expect(statesOf("ins_1")).toEqual(managed ? ["starting", "up"] : []);
    expect(told.filter((entry) => entry.instance !== instance || entry.reason !== "")).toEqual([]);
  });

  test("has stopped an instance only when nothing of it runs, and says no more of it", async () => {
    const { driver, statesOf, running } = driving();
    driver.start(...sandboxOf("ins_1"));
    await started(statesOf, "ins_1");
    await Promise.all([driver.stop("ins_1"), driver.stop("ins_1")]);
    expect(running()).toEqual([]);
    const states = statesOf("ins_1");
    expect(states).toEqual(managed ? ["starting", "up", "down"] : []);
    await driver.close();
    expect(statesOf("ins_1")).toEqual(states);
  });

  test("stops what it never started, what it stopped, and what is only just starting", async () => {
    const { driver, statesOf, running } = driving();
    await driver.stop("ins_0");
    driver.start(...sandboxOf("ins_1"));
    await driver.stop("ins_1");
    await driver.stop("ins_1");
    expect(running()).toEqual([]);
    expect(statesOf("ins_0")).toEqual([]);
    expect(statesOf("ins_1")).toEqual(managed ? ["starting", "down"] : []);
  });

  test("starts an instance again that it has stopped", async () => {
    const { driver, statesOf, running } = driving();
    driver.start(...sandboxOf("ins_1"));
    await driver.stop("ins_1");
    driver.start(...sandboxOf("ins_1"));
    await started(statesOf, "ins_1");
    expect(running()).toHaveLength(managed ? 1 : 0);
  });

  test("stops one instance and not its neighbour, and all when it is closed", async () => {
    const { driver, statesOf, running } = driving();
    for (const id of ["ins_1", "ins_2"]) driver.start(...sandboxOf(id));
    await started(statesOf, "ins_1");
    await started(statesOf, "ins_2");
    await driver.stop("ins_1");
    expect(running()).toHaveLength(managed ? 1 : 0);
    await Promise.all([driver.close(), driver.close()]);
    expect(running()).toEqual([]);
    expect(statesOf("ins_2")).toEqual(managed ? ["starting", "up", "down"] : []);
  });
});
