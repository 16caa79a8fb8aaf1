import { describe, expect, it } from "vitest";
import { CLOSED } from "../../../src/domain/instance/circuit.ts";
import type { Instance } from "../../../src/domain/sandbox.ts";
import { ADA, expectUntouched, openTestVerbs, recordsIn, refusal, SANDBOX } from "../../support/verbs.ts";

describe("circuits", () => {
  it("are opened by hand until they are closed by hand, which the data path is told", async () => {
    const { store, verbs } = await openTestVerbs();
    const { sandbox } = await verbs.sandboxes.create(ADA, SANDBOX);
    const [{ id }] = sandbox.instances as readonly [Instance];
    const opened = await verbs.circuits.open(ADA, id);
    expect(opened.instance).toMatchObject({ id, tripped: true });
    expect((await store.sandboxes.find("py"))?.instances).toEqual([opened.instance]);
    const closed = await verbs.circuits.close(ADA, id, { forget: true });
    expect((await store.sandboxes.find("py"))?.instances).toEqual([{ ...opened.instance, tripped: false }]);
    const changes = await store.changes.since(opened.revision);
    expect(changes === "resync" ? [] : changes.map(({ change }) => change)).toMatchObject([
      { kind: "sandbox.put", sandbox: { instances: [{ tripped: false }] } },
      { kind: "circuit.closed", sandboxId: "py", instanceId: id, forget: true },
    ]);
    expect(closed.revision).toBe(opened.revision + 2);
    expect(recordsIn(store).slice(-2)).toMatchObject([{ action: "circuit.open" }, { action: "circuit.reset" }]);
  });

  it("are told as the running daemon sees them", async () => {
    const { store, verbs } = await openTestVerbs({ daemon: true });
    const { sandbox } = await verbs.sandboxes.create(ADA, {
      ...SANDBOX,
      urls: ["http://h:1", "http://h:2", "http://h:3"],
    });
    const [one, two, three] = sandbox.instances as readonly [Instance, Instance, Instance];
    const circuit = { state: "open", failures: 0, ejections: 2, probe_at_ms: 5, closed_at_ms: 0 };
    const circuits = { [one.id]: circuit, [two.id]: { state: "odd" } };
    await store.observed.put("daemon", JSON.stringify({ circuits }), 1);
    expect((await verbs.circuits.list(ADA)).map((each) => each.circuit)).toEqual([circuit, undefined, CLOSED]);
    expect((await verbs.circuits.find(ADA, three.id)).circuit).toEqual(CLOSED);
    expect(await verbs.circuits.find(ADA, one.id)).toMatchObject({ instance: { id: one.id }, circuit });
  });

  it("are unknown while no daemon runs, whatever the last one saw", async () => {
    const { store, verbs } = await openTestVerbs();
    const { sandbox } = await verbs.sandboxes.create(ADA, SANDBOX);
    const [{ id }] = sandbox.instances as readonly [Instance];
    await store.observed.put("daemon", JSON.stringify({ circuits: { [id]: { ...CLOSED, state: "open" } } }), 1);
    expect((await verbs.circuits.find(ADA, id)).circuit).toBeUndefined();
  });

  it("of an instance that is not there cannot be touched", async () => {
    const { store, verbs } = await openTestVerbs();
    const { circuits } = verbs;
    for (const touch of [
      () => circuits.find(ADA, "ins_x"),
      () => circuits.open(ADA, "ins_x"),
      () => circuits.close(ADA, "ins_x", { forget: false }),
    ]) {
      await expectUntouched(store, () => expect(touch()).rejects.toEqual(refusal("ROUTE_006")));
    }
  });
});
