import { describe, expect, it } from "vitest";
import { verifyChain } from "../../src/audit/verify.ts";
import { Control } from "../../src/control/control.ts";
import { asGatewayError } from "../../src/errors.ts";
import { ADA, NOW, openTestVerbs, recordsIn, SANDBOX, TOKEN } from "../support/verbs.ts";

async function codesOf(calls: Promise<unknown>[]): Promise<string[]> {
  const outcomes = await Promise.allSettled(calls);
  return outcomes.map((outcome) => (outcome.status === "fulfilled" ? "ok" : asGatewayError(outcome.reason).code));
}

describe("every verb", () => {
  it("appends to one chain, whoever writes", async () => {
    const { store, keys, verbs } = await openTestVerbs();
    const { record } = await verbs.tokens.create(ADA, TOKEN);
    await verbs.sandboxes.create(ADA, SANDBOX);
    await verbs.instances.create(ADA, { sandboxId: "py", url: "http://h:2" });
    await verbs.tokens.revoke(ADA, record.id);
    await verbs.sandboxes.remove(ADA, "py");
    const verdict = verifyChain({ table: store.audit, key: keys.auditKey, hasHistory: true });
    expect(verdict).toMatchObject({ intact: true, records: 5 });
  });

  it("is recorded with who did it", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.sandboxes.create({ name: "grace", holding: null }, SANDBOX);
    await verbs.sandboxes.remove({ name: "cli:root", holding: null }, "py");
    expect(recordsIn(store)).toMatchObject([{ actor: "grace" }, { actor: "cli:root" }]);
  });

  it("is undone whole when its record cannot be written", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.sandboxes.create(ADA, SANDBOX);
    // The next place in the chain is taken: the record's insert will fail.
    store.audit.insert({ seq: 2, count: 1, lines: "{}", hash: "" });
    const before = await store.snapshot(0);
    await expect(verbs.sandboxes.remove(ADA, "py")).rejects.toThrow(/UNIQUE|constraint/);
    expect(await store.snapshot(0)).toEqual(before);
  });

  it("is one of many at once, each whole: none sees another half done", async () => {
    const { store, keys, verbs } = await openTestVerbs();
    const names = Array.from({ length: 30 }, (_, n) => `s${n % 10}`);
    const once = (otherwise: string) => names.map((_, n) => (n < 10 ? "ok" : otherwise));
    const creating = codesOf(names.map((id) => verbs.sandboxes.create(ADA, { ...SANDBOX, id })));
    expect(await creating).toEqual(once("ROUTE_004"));
    const removing = codesOf(names.map((id) => verbs.sandboxes.remove(ADA, id)));
    expect(await removing).toEqual(once("ROUTE_001"));
    expect(await store.sandboxes.list()).toEqual([]);
    expect(await store.changes.revision()).toBe(20);
    const verdict = verifyChain({ table: store.audit, key: keys.auditKey, hasHistory: true });
    expect(verdict).toMatchObject({ intact: true, records: 20 });
  });
});

describe("a change of state", () => {
  it("has one time for all that it writes", async () => {
    const { store, keys } = await openTestVerbs();
    let time = NOW;
    const control = new Control({ store, keys: async () => keys, now: () => time++ });
    const times = await control.write(ADA, async (step) => {
      step.record("test", "x", {});
      await step.announce({ kind: "sandbox.removed", sandboxId: "x" });
      return [step.now, step.now];
    });
    expect(times).toEqual([NOW, NOW]);
    expect(recordsIn(store)).toMatchObject([{ at_ms: NOW }]);
  });
});
