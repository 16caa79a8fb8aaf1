import { describe, expect, it } from "vitest";
import type { NewSandbox } from "../../../src/control/verbs/sandboxes.ts";
import { ADA, expectUntouched, openTestVerbs, recordsIn, refusal, SANDBOX } from "../../support/verbs.ts";

describe("sandboxes.create", () => {
  it("stores the sandbox and announces it whole", async () => {
    const { store, verbs } = await openTestVerbs();
    const { sandbox, revision } = await verbs.sandboxes.create(ADA, {
      ...SANDBOX,
      urls: ["http://h:1", "http://h:2/"],
    });
    expect(sandbox.instances.map(({ url }) => url)).toEqual(["http://h:1", "http://h:2"]);
    expect(await store.sandboxes.find("py")).toEqual(sandbox);
    expect(revision).toBe(1);
    expect(await store.changes.since(0)).toEqual([{ revision, change: { kind: "sandbox.put", sandbox } }]);
    expect(recordsIn(store).at(-1)).toMatchObject({
      action: "sandbox.add",
      target: "py",
      instances: ["http://h:1", "http://h:2"],
    });
  });

  it("gives a managed sandbox one instance at a socket named after it", async () => {
    const { verbs } = await openTestVerbs();
    const { sandbox } = await verbs.sandboxes.create(ADA, { ...SANDBOX, driver: "wasm", urls: [] });
    const [instance, ...others] = sandbox.instances;
    expect(others).toEqual([]);
    expect(instance?.url).toBe(`unix:${instance?.id}.sock`);
  });

  it("refuses an id that is taken", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.sandboxes.create(ADA, SANDBOX);
    const again = () => verbs.sandboxes.create(ADA, { ...SANDBOX, urls: ["http://x:1"] });
    await expectUntouched(store, () => expect(again()).rejects.toEqual(refusal("ROUTE_004")));
  });

  it.each<[string, Partial<NewSandbox>]>([
    ["an id that is a path", { id: "../x" }],
    ["an empty id", { id: "" }],
    ["an id that looks like an option", { id: "-rf" }],
    ["an unknown runtime", { runtime: "toString" }],
    ["an unknown driver", { driver: "docker" }],
    ["an inherited name as driver", { driver: "constructor" }],
    ["an unknown strategy", { strategy: "best" }],
    ["no address", { urls: [] }],
    ["the same address twice", { urls: ["http://h:1", "http://H:1/"] }],
    ["an address with a path", { urls: ["http://h:1/x"] }],
    ["an address with credentials", { urls: ["http://a:b@h:1"] }],
    ["another scheme", { urls: ["file:///etc/passwd"] }],
    ["a socket chosen by the caller", { urls: ["unix:/var/run/docker.sock"] }],
    ["an address for a managed driver", { driver: "wasm" }],
  ])("refuses %s and writes nothing", async (_, wrong) => {
    const { store, verbs } = await openTestVerbs();
    await expectUntouched(store, () =>
      expect(verbs.sandboxes.create(ADA, { ...SANDBOX, ...wrong })).rejects.toEqual(refusal("VAL_010")),
    );
  });
});

describe("sandboxes.update", () => {
  it("changes what it names, announces the sandbox whole and leaves the rest", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.sandboxes.create(ADA, { ...SANDBOX, labels: "tier=gpu", settings: { "first-byte-timeout": "5s" } });
    const { sandbox, revision } = await verbs.sandboxes.update(ADA, "py", { labels: "language=python" });
    expect(sandbox).toMatchObject({ labels: { language: "python" }, settings: { firstByteTimeout: 5000 } });
    expect(await store.sandboxes.find("py")).toEqual(sandbox);
    expect(await store.changes.since(revision - 1)).toEqual([{ revision, change: { kind: "sandbox.put", sandbox } }]);
    expect(recordsIn(store).at(-1)).toMatchObject({ action: "sandbox.update", target: "py" });
  });

  it("takes a setting back", async () => {
    const { verbs } = await openTestVerbs();
    await verbs.sandboxes.create(ADA, { ...SANDBOX, settings: { "first-byte-timeout": "5s" } });
    const { sandbox } = await verbs.sandboxes.update(ADA, "py", { settings: { "first-byte-timeout": null } });
    expect(sandbox.settings).toEqual({});
  });

  it("refuses a sandbox that is not there, and values that cannot be, and writes nothing then", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.sandboxes.create(ADA, SANDBOX);
    const refused = (id: string, update: object, code: string) =>
      expectUntouched(store, () => expect(verbs.sandboxes.update(ADA, id, update)).rejects.toEqual(refusal(code)));
    await refused("nope", {}, "ROUTE_001");
    await refused("py", { strategy: "best" }, "VAL_010");
    await refused("py", { labels: "x" }, "VAL_010");
    await refused("py", { settings: { "first-byte-timeout": "soon" } }, "VAL_010");
  });
});

describe("sandboxes.remove", () => {
  it("removes it with its instances and says so to the data path", async () => {
    const { store, verbs } = await openTestVerbs();
    const { sandbox } = await verbs.sandboxes.create(ADA, SANDBOX);
    expect(await verbs.sandboxes.remove(ADA, "py")).toEqual({ sandbox, routes: [], revision: 2 });
    expect(await store.sandboxes.list()).toEqual([]);
    expect(await store.changes.since(1)).toEqual([
      { revision: 2, change: { kind: "sandbox.removed", sandboxId: "py" } },
    ]);
    await expect(verbs.sandboxes.remove(ADA, "py")).rejects.toEqual(refusal("ROUTE_001"));
  });
});

describe("sandboxes.find and list", () => {
  it("read what there is", async () => {
    const { verbs } = await openTestVerbs();
    const { sandbox } = await verbs.sandboxes.create(ADA, SANDBOX);
    expect(await verbs.sandboxes.find(ADA, "py")).toEqual(sandbox);
    expect(await verbs.sandboxes.list(ADA)).toEqual([sandbox]);
    await expect(verbs.sandboxes.find(ADA, "nope")).rejects.toEqual(refusal("ROUTE_001"));
  });
});

const exec = (program: string) => ({ "health-check": "exec", "health-program": program });

describe("the program of a health check", () => {
  it("is one that the configuration names, when the sandbox is added and whenever it is changed", async () => {
    const { verbs } = await openTestVerbs();
    const { sandbox } = await verbs.sandboxes.create(ADA, { ...SANDBOX, settings: exec("check-db") });
    expect(sandbox.settings).toEqual({ healthCheck: "exec", healthProgram: "check-db" });
    const details = expect.stringContaining("HEALTH_PROGRAMS has check-db");
    for (const settings of [exec("other"), exec("constructor"), { "health-check": "exec", "health-program": null }]) {
      const change = verbs.sandboxes.update(ADA, "py", { settings });
      await expect(change).rejects.toMatchObject({ code: "VAL_010", details });
    }
    const path = verbs.sandboxes.create(ADA, { ...SANDBOX, id: "js", settings: exec("/bin/sh") });
    await expect(path).rejects.toMatchObject({ code: "VAL_010" });
  });
});
