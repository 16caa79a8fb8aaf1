import { describe, expect, it } from "vitest";
import { ADA, expectUntouched, openTestVerbs, recordsIn } from "../../../support/verbs.ts";

describe("limits", () => {
  it("are reset of whoever is named, an address in the form in which it is limited", async () => {
    const { store, verbs } = await openTestVerbs();
    const reset = async (of: "subject" | "address" | "sandbox", name: string) =>
      (await verbs.limits.reset(ADA, { of, name })).name;
    expect(await reset("subject", "agent-1")).toBe("agent-1");
    expect(await reset("address", "::ffff:10.0.0.1")).toBe("10.0.0.1");
    expect(await reset("address", "2001:DB8::7%eth0")).toBe("2001:db8:0:0");
    const changes = await store.changes.since(0);
    expect(changes === "resync" ? [] : changes.map(({ change }) => change)).toEqual([
      { kind: "limit.reset", of: "subject", name: "agent-1" },
      { kind: "limit.reset", of: "address", name: "10.0.0.1" },
      { kind: "limit.reset", of: "address", name: "2001:db8:0:0" },
    ]);
    expect(recordsIn(store).at(-1)).toMatchObject({ action: "limit.reset", target: "2001:db8:0:0", of: "address" });
  });

  it("of nobody that can be are refused", async () => {
    const { store, verbs } = await openTestVerbs();
    await expectUntouched(store, async () => {
      for (const [of, name] of [
        ["address", "example.com"],
        ["address", "10.0.0"],
        ["subject", ""],
        ["subject", "a\nb"],
      ] as const) {
        await expect(verbs.limits.reset(ADA, { of, name })).rejects.toMatchObject({ code: "VAL_010" });
      }
    });
  });
});
