import { describe, expect, it } from "vitest";
import type { Actor } from "../../../src/control/control.ts";
import { parseGrant } from "../../../src/domain/role/grant-text.ts";
import { Rights } from "../../../src/domain/role/rights.ts";
import { ADA, expectUntouched, openTestVerbs, recordsIn, refusal, TOKEN } from "../../support/verbs.ts";

const role = (name: string, ...grants: string[]) => ({ name, grants: grants.map(parseGrant) });

/** Somebody whose token may make tokens and roles, and otherwise what the grants say. */
function holding(grants: string[], narrowed: { sandboxes?: string[]; operations?: string[] } = {}): Actor {
  const rights = new Rights(role("lead", "token:manage,role:manage", ...grants));
  const { sandboxes = null, operations = null } = narrowed;
  return { name: "lead", holding: { rights, sandboxes, operations } };
}

describe("a role", () => {
  it("is created, given other grants, and removed: each told to the data path and recorded", async () => {
    const { store, verbs } = await openTestVerbs();
    const ci = role("ci", "sandbox:execute sandboxes=py-* operations=run_code");
    const created = await verbs.roles.create(ADA, ci);
    expect([created.role, (await store.snapshot(0)).roles]).toEqual([ci, [ci]]);
    const wider = role(
      "ci",
      "sandbox:execute sandboxes=py-*",
      "sandbox:proxy labels=team=a methods=GET ports=3000-3010",
    );
    const { revision } = await verbs.roles.update(ADA, wider);
    expect(await store.changes.since(revision - 1)).toEqual([{ revision, change: { kind: "role.put", role: wider } }]);
    expect(await verbs.roles.find(ADA, "ci")).toEqual(wider);
    expect((await verbs.roles.list(ADA)).map(({ name }) => name)).toEqual([
      "admin",
      "operator",
      "executor",
      "viewer",
      "ci",
    ]);
    await verbs.roles.remove(ADA, "ci", { force: false });
    expect((await store.snapshot(0)).roles).toEqual([]);
    expect(recordsIn(store)).toMatchObject([
      { action: "role.create", target: "ci", grants: ci.grants },
      { action: "role.update", target: "ci", grants: wider.grants },
      { action: "role.remove", target: "ci", tokens: 0 },
    ]);
  });

  it("is not removed while it has tokens that are good, unless by force", async () => {
    const { verbs } = await openTestVerbs();
    await verbs.roles.create(ADA, role("ci", "sandbox:read"));
    const { record } = await verbs.tokens.create(ADA, { ...TOKEN, role: "ci" });
    await expect(verbs.roles.remove(ADA, "ci", { force: false })).rejects.toEqual(refusal("ROUTE_018"));
    expect(await verbs.roles.remove(ADA, "ci", { force: true })).toMatchObject({ tokens: 1 });
    await verbs.roles.create(ADA, role("ci", "sandbox:read"));
    await verbs.tokens.revoke(ADA, record.id);
    expect(await verbs.roles.remove(ADA, "ci", { force: false })).toMatchObject({ tokens: 0 });
  });

  it("that is built in, there already, or not there is refused, and nothing is written", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.roles.create(ADA, role("ci", "sandbox:read"));
    await expectUntouched(store, async () => {
      for (const name of ["ci", "admin"]) {
        await expect(verbs.roles.create(ADA, role(name, "sandbox:read"))).rejects.toEqual(refusal("ROUTE_004"));
      }
      expect(() => verbs.roles.update(ADA, role("admin", "sandbox:read"))).toThrow(/built in/);
      expect(() => verbs.roles.remove(ADA, "viewer", { force: true })).toThrow(/built in/);
      await expect(verbs.roles.update(ADA, role("c", "sandbox:read"))).rejects.toEqual(refusal("ROUTE_016"));
      await expect(verbs.roles.remove(ADA, "c", { force: true })).rejects.toEqual(refusal("ROUTE_016"));
      await expect(verbs.tokens.create(ADA, { ...TOKEN, role: "cj" })).rejects.toThrow(/did you mean ci/);
    });
  });
});

describe("nobody passes on more than they hold", () => {
  const HELD = ["sandbox:execute sandboxes=py-* operations=run_code,run_command", "sandbox:proxy labels=team=a"];
  const cases: readonly [wanted: string, isHeld: boolean][] = [
    ["sandbox:execute sandboxes=py-1,py-a-* operations=run_code", true],
    ["sandbox:execute sandboxes=py-* operations=run_code,run_command", true],
    ["sandbox:execute sandboxes=py-*", false],
    ["sandbox:execute sandboxes=p* operations=run_code", false],
    ["sandbox:execute sandboxes=* operations=run_code", false],
    ["sandbox:execute operations=run_code", false],
    ["sandbox:proxy labels=team=a,tier=b methods=GET ports=1-5", true],
    ["sandbox:proxy labels=team=b", false],
    ["sandbox:proxy", false],
    ["sandbox:read sandboxes=py-1", false],
    ["token:manage", true],
    ["key:manage", false],
  ];

  it.each(cases)("a role of %s: %s", async (grant, isHeld) => {
    const { store, verbs } = await openTestVerbs();
    const made = verbs.roles.create(holding(HELD), role("ci", grant));
    const outcome = await made.then(
      () => "held",
      (error: { code: string }) => error.code,
    );
    expect([outcome, (await store.snapshot(0)).roles.length]).toEqual(isHeld ? ["held", 1] : ["AUTH_010", 0]);
  });

  it("in a token: its role counts as the token narrows it", async () => {
    const { verbs } = await openTestVerbs();
    const lead = holding(["sandbox:execute,sandbox:proxy,sandbox:read sandboxes=py-*"]);
    const create = (other: object) => verbs.tokens.create(lead, { ...TOKEN, ...other });
    await expect(create({})).rejects.toEqual(refusal("AUTH_010"));
    await expect(create({ sandboxes: ["*"] })).rejects.toEqual(refusal("AUTH_010"));
    await expect(create({ role: "admin", sandboxes: ["py-1"] })).rejects.toEqual(refusal("AUTH_010"));
    await expect(create({ sandboxes: ["py-1"] })).resolves.toMatchObject({ record: { role: "executor" } });
    await expect(create({ role: "viewer", sandboxes: ["py-*"] })).resolves.toMatchObject({
      record: { role: "viewer" },
    });
  });

  it("and a token that narrows who asks narrows what it may pass on", async () => {
    const { verbs } = await openTestVerbs();
    const all = "sandbox:execute,sandbox:proxy,sandbox:read";
    const narrow = holding([all], { sandboxes: ["py-*"], operations: ["run_code"] });
    const create = (other: object) => verbs.tokens.create(narrow, { ...TOKEN, ...other });
    await expect(create({ sandboxes: ["py-1"] })).rejects.toEqual(refusal("AUTH_010"));
    await expect(create({ operations: ["run_code"] })).rejects.toEqual(refusal("AUTH_010"));
    await expect(create({ sandboxes: ["py-1"], operations: ["run_code"] })).resolves.toBeDefined();
  });

  it("who may make neither tokens nor roles makes none", async () => {
    const { verbs } = await openTestVerbs();
    const rights = new Rights(role("plain", "sandbox:read"));
    const plain: Actor = { name: "plain", holding: { rights, sandboxes: null, operations: null } };
    await expect(verbs.tokens.create(plain, { ...TOKEN, role: "viewer" })).rejects.toEqual(refusal("AUTH_003"));
    await expect(verbs.roles.create(plain, role("ci", "sandbox:read"))).rejects.toEqual(refusal("AUTH_003"));
    expect(() => verbs.roles.remove(plain, "ci", { force: true })).toThrow(/does not include role:manage/);
  });
});
