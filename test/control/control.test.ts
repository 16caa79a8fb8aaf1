import { describe, expect, it } from "vitest";
import { entriesOf } from "../../src/audit/entries.ts";
import { verifyChain } from "../../src/audit/verify.ts";
import { openKeys } from "../../src/auth/keys.ts";
import { TokenVerifier, tokenHash } from "../../src/auth/tokens.ts";
import { Control, type NewSandbox, type NewToken } from "../../src/control/control.ts";
import { openDataFolder } from "../../src/store/data-folder.ts";
import type { Store } from "../../src/store/store.ts";
import { openTestStore } from "../support/stores.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const NOW = 1_800_000_000_123;

function fresh() {
  const folder = openDataFolder(temporaryFolder());
  const store = openTestStore(folder.database);
  const keys = openKeys({ folder, store, config: { TOKEN_SECRET: "", SECRETS_KEY_FILE: "" } });
  const control = new Control({
    store,
    keys,
    config: { TOKEN_ISSUER: "iss", TOKEN_AUDIENCE: "aud" },
    actor: "cli:ada",
    now: () => NOW,
    runtimes: ["generic"],
    strategies: ["round-robin"],
    drivers: { static: { managed: false }, wasm: { managed: true } },
  });
  return { store, keys, control };
}

const TOKEN: NewToken = {
  subject: "agent-1",
  role: "executor",
  expiresInMs: 60_000,
  sandboxes: null,
  operations: null,
};
const SANDBOX: NewSandbox = { id: "py", runtime: "generic", driver: "static", strategy: null, urls: ["http://h:1"] };

const refusal = (code: string) => expect.objectContaining({ code });
const actions = (store: Store) => entriesOf(store.audit.last(100)).map(({ record }): unknown => JSON.parse(record));

/** Nothing was written: neither rows nor changes nor records. */
function expectUntouched(store: Store, work: () => void): void {
  const state = () => [store.snapshot(0), store.tokens.list(), store.audit.head()];
  const before = state();
  work();
  expect(state()).toEqual(before);
}

describe("createToken", () => {
  it("makes a token that verifies, and stores only its keyed hash", async () => {
    const { store, keys, control } = fresh();
    const { token, record } = await control.createToken({ ...TOKEN, sandboxes: ["py-*"], operations: ["run_code"] });
    expect(store.tokens.find(record.id)).toEqual(record);
    expect(record.hash).toBe(tokenHash(keys.tokenHashKey, token));
    const verifier = new TokenVerifier({
      keys: [keys.signing],
      issuer: "iss",
      audience: "aud",
      clockSkewMs: 0,
      now: () => NOW,
    });
    expect(await verifier.verify(token)).toEqual({
      subject: "agent-1",
      role: "executor",
      tokenId: record.id,
      sandboxes: ["py-*"],
      operations: ["run_code"],
      expiresAt: record.expiresAt,
    });
    expect(JSON.stringify([store.tokens.list(), store.audit.last(10)])).not.toContain(token.split(".")[2]);
  });

  it("never lives shorter than asked, and at most a second longer", async () => {
    const { record } = await fresh().control.createToken({ ...TOKEN, expiresInMs: 1000 });
    expect(record.expiresAt - NOW).toBeGreaterThanOrEqual(1000);
    expect(record.expiresAt - NOW).toBeLessThan(2000);
  });

  it("leaves a record of who made it, for whom and how narrow", async () => {
    const { store, control } = fresh();
    const { record } = await control.createToken({ ...TOKEN, sandboxes: ["py-*"] });
    expect(actions(store)).toEqual([
      {
        kind: "admin",
        at_ms: NOW,
        actor: "cli:ada",
        action: "token.create",
        target: record.id,
        subject: "agent-1",
        role: "executor",
        sandboxes: ["py-*"],
        operations: null,
        expires_at_ms: record.expiresAt,
      },
    ]);
  });

  it.each<[string, Partial<NewToken>]>([
    ["an unknown role", { role: "root" }],
    ["an inherited name as role", { role: "constructor" }],
    ["no subject", { subject: "" }],
    ["a subject with a line end", { subject: "a\nb" }],
    ["a subject that turns text around", { subject: "a\u202eb" }],
    ["a subject that is too long", { subject: "a".repeat(129) }],
    ["no lifetime", { expiresInMs: 0 }],
    ["a negative lifetime", { expiresInMs: -60_000 }],
    ["an endless lifetime", { expiresInMs: Number.POSITIVE_INFINITY }],
    ["a lifetime beyond the calendar", { expiresInMs: 1e15 }],
    ["a pattern that matches no id", { sandboxes: ["py/*"] }],
    ["an empty pattern", { sandboxes: [""] }],
    ["an operation with a space", { operations: ["run code"] }],
  ])("refuses %s and writes nothing", async (_, wrong) => {
    const { store, control } = fresh();
    await expect(control.createToken({ ...TOKEN, ...wrong })).rejects.toEqual(refusal("VAL_010"));
    expectUntouched(store, () => {});
    expect(store.tokens.list()).toEqual([]);
  });
});

describe("revokeToken", () => {
  it("writes row, change and record together", async () => {
    const { store, control } = fresh();
    const { record } = await control.createToken(TOKEN);
    expect(control.revokeToken(record.id)).toEqual({ ...record, revokedAt: NOW });
    expect(store.tokens.find(record.id)?.revokedAt).toBe(NOW);
    const change = { kind: "token.revoked", tokenId: record.id, expiresAt: record.expiresAt };
    expect(store.changes.since(0)).toEqual([{ revision: 1, change }]);
    expect(actions(store).at(-1)).toMatchObject({ action: "token.revoke", target: record.id, actor: "cli:ada" });
  });

  it("changes nothing the second time", async () => {
    const { store, control } = fresh();
    const { record } = await control.createToken(TOKEN);
    const revoked = control.revokeToken(record.id);
    expectUntouched(store, () => expect(control.revokeToken(record.id)).toEqual(revoked));
  });

  it("knows nothing of a token that was never made", () => {
    expect(() => fresh().control.revokeToken("tok_unknown")).toThrow(refusal("ROUTE_005"));
  });
});

describe("addSandbox", () => {
  it("stores the sandbox and announces it whole", () => {
    const { store, control } = fresh();
    const sandbox = control.addSandbox({ ...SANDBOX, urls: ["http://h:1", "http://h:2/"] });
    expect(sandbox.instances.map(({ url }) => url)).toEqual(["http://h:1", "http://h:2"]);
    expect(store.sandboxes.find("py")).toEqual(sandbox);
    expect(store.changes.since(0)).toEqual([{ revision: 1, change: { kind: "sandbox.put", sandbox } }]);
    expect(actions(store).at(-1)).toMatchObject({
      action: "sandbox.add",
      target: "py",
      instances: ["http://h:1", "http://h:2"],
    });
  });

  it("gives a managed sandbox one instance at a socket named after it", () => {
    const { instances } = fresh().control.addSandbox({ ...SANDBOX, driver: "wasm", urls: [] });
    expect(instances).toHaveLength(1);
    expect(instances[0]?.url).toBe(`unix:${instances[0]?.id}.sock`);
  });

  it("refuses an id that is taken", () => {
    const { store, control } = fresh();
    control.addSandbox(SANDBOX);
    expectUntouched(store, () =>
      expect(() => control.addSandbox({ ...SANDBOX, urls: ["http://x:1"] })).toThrow(refusal("ROUTE_004")),
    );
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
  ])("refuses %s and writes nothing", (_, wrong) => {
    const { store, control } = fresh();
    expectUntouched(store, () =>
      expect(() => control.addSandbox({ ...SANDBOX, ...wrong })).toThrow(refusal("VAL_010")),
    );
  });
});

describe("removeSandbox", () => {
  it("removes it with its instances and says so to the data path", () => {
    const { store, control } = fresh();
    const sandbox = control.addSandbox(SANDBOX);
    expect(control.removeSandbox("py")).toEqual(sandbox);
    expect(store.snapshot(NOW).sandboxes).toEqual([]);
    expect(store.changes.since(1)).toEqual([{ revision: 2, change: { kind: "sandbox.removed", sandboxId: "py" } }]);
    expect(() => control.removeSandbox("py")).toThrow(refusal("ROUTE_001"));
  });
});

describe("instances", () => {
  it("are added to a sandbox, which is announced as it then is", () => {
    const { store, control } = fresh();
    control.addSandbox(SANDBOX);
    const instance = control.addInstance("py", "http://h:2");
    const sandbox = store.sandboxes.find("py");
    expect(sandbox?.instances.at(-1)).toEqual(instance);
    expect(store.changes.since(1)).toEqual([{ revision: 2, change: { kind: "sandbox.put", sandbox } }]);
    expect(actions(store).at(-1)).toMatchObject({
      action: "instance.add",
      target: instance.id,
      sandbox: "py",
      url: "http://h:2",
    });
  });

  it("are removed one by one, but not the last one", () => {
    const { store, control } = fresh();
    const first = control.addSandbox(SANDBOX).instances[0];
    const second = control.addInstance("py", "http://h:2");
    control.removeInstance(first?.id ?? "");
    expect(store.sandboxes.find("py")?.instances).toEqual([second]);
    expectUntouched(store, () => expect(() => control.removeInstance(second.id)).toThrow(refusal("VAL_010")));
  });

  it.each([
    ["of an unknown sandbox", "ROUTE_001", (control: Control) => control.addInstance("nope", "http://h:1")],
    ["at an address the sandbox has", "ROUTE_004", (control: Control) => control.addInstance("py", "http://h:1")],
    ["at something that is no address", "VAL_010", (control: Control) => control.addInstance("py", "h:1")],
    ["of a managed sandbox", "VAL_010", (control: Control) => control.addInstance("demo", "http://h:9")],
    ["that do not exist, when removed", "ROUTE_006", (control: Control) => control.removeInstance("ins_unknown")],
  ])("are refused: %s", (_, code, verb) => {
    const { store, control } = fresh();
    control.addSandbox(SANDBOX);
    control.addSandbox({ ...SANDBOX, id: "demo", driver: "wasm", urls: [] });
    expectUntouched(store, () => expect(() => verb(control)).toThrow(refusal(code)));
  });
});

describe("every verb", () => {
  it("appends to one chain, whoever writes", async () => {
    const { store, keys, control } = fresh();
    const { record } = await control.createToken(TOKEN);
    control.addSandbox(SANDBOX);
    control.addInstance("py", "http://h:2");
    control.revokeToken(record.id);
    control.removeSandbox("py");
    expect(verifyChain({ store, key: keys.auditKey })).toMatchObject({ intact: true, records: 5 });
  });

  it("is undone whole when its record cannot be written", () => {
    const { store, control } = fresh();
    control.addSandbox(SANDBOX);
    // The next place in the chain is taken: the record's insert will fail.
    store.audit.insert({ seq: 2, count: 1, lines: "{}", hash: "" });
    const before = store.snapshot(NOW);
    expect(() => control.removeSandbox("py")).toThrow(/UNIQUE|constraint/);
    expect(store.snapshot(NOW)).toEqual(before);
  });
});
