import { describe, expect, test } from "vitest";
import { Fleet } from "../../src/lifecycle/fleet.ts";
import type { Sandbox } from "../../src/domain/sandbox.ts";
import type { Driver } from "../../src/drivers/driver.ts";
import { PLAIN_INSTANCE, PLAIN_SANDBOX } from "../support/sandboxes.ts";

/** A driver that runs nothing and notes what it is asked for, as `<driver> start ins_a` and so on. */
function noting(name: string, calls: string[], failing: ReadonlySet<string> = new Set()): Driver {
  const note = (verb: string, instanceId = ""): void => {
    calls.push(`${name} ${verb} ${instanceId}`.trim());
    if (failing.has(instanceId)) throw new Error(`cannot ${verb} ${instanceId}`);
  };
  return {
    start: (_sandbox, instance) => note("start", instance.id),
    stop: async (instanceId) => note("stop", instanceId),
    close: async () => note("close"),
  };
}

function startFleet(failing?: ReadonlySet<string>) {
  const calls: string[] = [];
  const errors: string[] = [];
  const fleet = new Fleet({
    drivers: { wasm: noting("wasm", calls, failing), process: noting("process", calls, failing) },
    onError: (sandboxId, error) => void errors.push(`${sandboxId}: ${(error as Error).message}`),
  });
  return { fleet, calls, errors };
}

const sandbox = (id: string, instances: string[], driver = "wasm"): Sandbox => ({
  id,
  ...PLAIN_SANDBOX,
  driver,
  instances: instances.map((name, number) => ({
    id: `ins_${name}`,
    sandboxId: id,
    url: "unix:x.sock",
    number,
    ...PLAIN_INSTANCE,
  })),
});

/** What was asked for since the last look. */
const since = (calls: string[]): string[] => calls.splice(0);

describe("the fleet", () => {
  test("starts the instances of a sandbox that is added, and stops those of one that is removed", () => {
    const { fleet, calls } = startFleet();
    fleet.apply({ kind: "sandbox.put", sandbox: sandbox("py", ["a", "b"]) });
    expect(since(calls)).toEqual(["wasm start ins_a", "wasm start ins_b"]);
    fleet.apply({ kind: "sandbox.removed", sandboxId: "py" });
    expect(since(calls)).toEqual(["wasm stop ins_a", "wasm stop ins_b"]);
    fleet.apply({ kind: "sandbox.removed", sandboxId: "py" });
    expect(since(calls)).toEqual([]);
  });

  test("stops the instance that is taken out of a sandbox before it starts the one that is added", () => {
    const { fleet, calls } = startFleet();
    fleet.apply({ kind: "sandbox.put", sandbox: sandbox("py", ["a", "b"]) });
    since(calls);
    fleet.apply({ kind: "sandbox.put", sandbox: sandbox("py", ["b", "c"]) });
    expect(since(calls)).toEqual(["wasm stop ins_a", "wasm start ins_b", "wasm start ins_c"]);
  });

  test("has nothing to do with a revoked token", () => {
    const { fleet, calls } = startFleet();
    fleet.apply({ kind: "token.revoked", tokenId: "tok_1", expiresAt: 0 });
    expect(calls).toEqual([]);
  });

  test("given all sandboxes there are, stops those that are gone", () => {
    const { fleet, calls } = startFleet();
    fleet.replace([sandbox("py", ["a"]), sandbox("js", ["b"])]);
    since(calls);
    fleet.replace([sandbox("js", ["b"]), sandbox("sh", ["c"])]);
    expect(since(calls)).toEqual(["wasm stop ins_a", "wasm start ins_b", "wasm start ins_c"]);
  });

  test("stops an instance through the driver that started it, though the sandbox has another one now", () => {
    const { fleet, calls } = startFleet();
    fleet.replace([sandbox("py", ["a"], "wasm")]);
    since(calls);
    fleet.replace([sandbox("py", ["b"], "process")]);
    expect(since(calls)).toEqual(["wasm stop ins_a", "process start ins_b"]);
  });

  test("says which sandbox an instance failed for, and goes on with the others", async () => {
    const { fleet, calls, errors } = startFleet(new Set(["ins_a"]));
    fleet.replace([sandbox("py", ["a", "b"])]);
    expect(since(calls)).toEqual(["wasm start ins_a", "wasm start ins_b"]);
    fleet.replace([]);
    await Promise.resolve();
    expect(since(calls)).toEqual(["wasm stop ins_a", "wasm stop ins_b"]);
    expect(errors).toEqual(["py: cannot start ins_a", "py: cannot stop ins_a"]);
  });

  test("says when a sandbox has a driver it does not know", () => {
    const { fleet, calls, errors } = startFleet();
    fleet.replace([sandbox("py", ["a"], "docker"), sandbox("js", ["b"])]);
    expect(errors).toEqual(["py: unknown driver docker"]);
    expect(calls).toEqual(["wasm start ins_b"]);
  });

  test("closes every driver", async () => {
    const { fleet, calls } = startFleet();
    await fleet.close();
    expect(calls).toEqual(["wasm close", "process close"]);
  });
});
