import { describe, expect, it } from "vitest";
import { ADA, NOW, openTestVerbs, refusal, SANDBOX } from "../../support/verbs.ts";

const SEEN = { port: 1234, instances: { ins_1: "up", ins_2: { state: "down" } }, something_new: [1] };

describe("status", () => {
  it("of a gateway that does not run is what is kept, without what a daemon once saw", async () => {
    const { store, verbs } = await openTestVerbs();
    await store.observed.put("daemon", JSON.stringify(SEEN), 1);
    await verbs.sandboxes.create(ADA, SANDBOX);
    expect(await verbs.status.find(ADA)).toEqual({ daemon: undefined, sandboxes: 1, auditRecords: 1 });
    expect(await verbs.status.instanceStates(ADA)).toEqual({});
  });

  it("of one that runs is what its daemon saw, also what this program knows nothing of", async () => {
    const { store, verbs } = await openTestVerbs({ daemon: true });
    const holder = { pid: 42, startedAt: NOW };
    expect((await verbs.status.find(ADA)).daemon).toEqual({ holder, observed: {} });
    await store.observed.put("daemon", JSON.stringify(SEEN), 1);
    expect((await verbs.status.find(ADA)).daemon).toEqual({ holder, observed: SEEN });
    expect(await verbs.status.instanceStates(ADA)).toEqual({ ins_1: "up", ins_2: '{"state":"down"}' });
  });

  it("says that the database is damaged when what the daemon wrote is no JSON", async () => {
    const { store, verbs } = await openTestVerbs({ daemon: true });
    await store.observed.put("daemon", '{"port":', 1);
    await expect(verbs.status.find(ADA)).rejects.toEqual(refusal("GW_005"));
  });
});
