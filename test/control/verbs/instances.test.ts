import { describe, expect, it } from "vitest";
import type { Verbs } from "../../../src/control/verbs.ts";
import { ADA, expectUntouched, openTestVerbs, recordsIn, refusal, SANDBOX } from "../../support/verbs.ts";

const SECOND = { sandboxId: "py", url: "http://h:2" };

describe("instances", () => {
  it("are added to a sandbox, which is announced as it then is", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.sandboxes.create(ADA, SANDBOX);
    const { instance, revision } = await verbs.instances.create(ADA, SECOND);
    const sandbox = await store.sandboxes.find("py");
    expect(sandbox?.instances.at(-1)).toEqual(instance);
    expect(revision).toBe(2);
    expect(await store.changes.since(1)).toEqual([{ revision, change: { kind: "sandbox.put", sandbox } }]);
    expect(recordsIn(store).at(-1)).toMatchObject({
      action: "instance.add",
      target: instance.id,
      sandbox: "py",
      url: "http://h:2",
    });
  });

  it("change their weight and are drained, each without the other", async () => {
    const { store, verbs } = await openTestVerbs();
    const [{ id } = { id: "" }] = (await verbs.sandboxes.create(ADA, SANDBOX)).sandbox.instances;
    await verbs.instances.update(ADA, id, { weight: 7 });
    const { instance, revision } = await verbs.instances.update(ADA, id, { draining: true });
    expect(instance).toMatchObject({ weight: 7, draining: true });
    const sandbox = await store.sandboxes.find("py");
    expect(sandbox?.instances).toEqual([instance]);
    expect(await store.changes.since(revision - 1)).toEqual([{ revision, change: { kind: "sandbox.put", sandbox } }]);
    expect(recordsIn(store).at(-1)).toMatchObject({ action: "instance.update", target: id, draining: true });
    const wrong = () => verbs.instances.update(ADA, id, { weight: 1.5 });
    await expectUntouched(store, () => expect(wrong()).rejects.toEqual(refusal("VAL_010")));
  });

  it("are removed one by one, but not the last one", async () => {
    const { store, verbs } = await openTestVerbs();
    const first = (await verbs.sandboxes.create(ADA, SANDBOX)).sandbox.instances[0];
    const second = (await verbs.instances.create(ADA, SECOND)).instance;
    expect(await verbs.instances.remove(ADA, first?.id ?? "")).toEqual({ instance: first, revision: 3 });
    expect((await store.sandboxes.find("py"))?.instances).toEqual([second]);
    const last = () => verbs.instances.remove(ADA, second.id);
    await expectUntouched(store, () => expect(last()).rejects.toEqual(refusal("VAL_010")));
  });

  it.each<[string, string, (verbs: Verbs) => Promise<unknown>]>([
    ["of an unknown sandbox", "ROUTE_001", ({ instances }) => instances.create(ADA, { ...SECOND, sandboxId: "nope" })],
    [
      "at an address the sandbox has",
      "ROUTE_004",
      ({ instances }) => instances.create(ADA, { ...SECOND, url: "http://h:1" }),
    ],
    ["at something that is no address", "VAL_010", ({ instances }) => instances.create(ADA, { ...SECOND, url: "h:1" })],
    ["of a managed sandbox", "VAL_010", ({ instances }) => instances.create(ADA, { ...SECOND, sandboxId: "demo" })],
    ["that do not exist, when removed", "ROUTE_006", ({ instances }) => instances.remove(ADA, "ins_unknown")],
  ])("are refused: %s", async (_, code, verb) => {
    const { store, verbs } = await openTestVerbs();
    await verbs.sandboxes.create(ADA, SANDBOX);
    await verbs.sandboxes.create(ADA, { ...SANDBOX, id: "demo", driver: "wasm", urls: [] });
    await expectUntouched(store, () => expect(verb(verbs)).rejects.toEqual(refusal(code)));
  });

  it("are found by id, and listed by sandbox or all together", async () => {
    const { verbs } = await openTestVerbs();
    const py = (await verbs.sandboxes.create(ADA, SANDBOX)).sandbox.instances;
    const js = (await verbs.sandboxes.create(ADA, { ...SANDBOX, id: "js" })).sandbox.instances;
    expect(await verbs.instances.find(ADA, py[0]?.id ?? "")).toEqual(py[0]);
    await expect(verbs.instances.find(ADA, "ins_unknown")).rejects.toEqual(refusal("ROUTE_006"));
    expect(await verbs.instances.list(ADA)).toEqual([...js, ...py]);
    expect(await verbs.instances.list(ADA, { sandboxId: "py" })).toEqual(py);
    await expect(verbs.instances.list(ADA, { sandboxId: "nope" })).rejects.toEqual(refusal("ROUTE_001"));
  });
});

it.each(["http://169.254.169.254", "http://[::ffff:a9fe:a9fe]", "http://[fe80::1]:80", "http://192.0.2.66:1"])(
  "an instance at %s is refused, with its sandbox or later",
  async (url) => {
    const { verbs } = await openTestVerbs();
    const refused = expect.objectContaining({ code: "VAL_011" });
    await expect(verbs.sandboxes.create(ADA, { ...SANDBOX, urls: [url] })).rejects.toEqual(refused);
    await verbs.sandboxes.create(ADA, SANDBOX);
    await expect(verbs.instances.create(ADA, { sandboxId: "py", url })).rejects.toEqual(refused);
    expect((await verbs.instances.list(ADA)).map((instance) => instance.url)).toEqual(["http://h:1"]);
  },
);
