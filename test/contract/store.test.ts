import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { newId } from "../../src/domain/id.ts";
import type { TokenRecord } from "../../src/domain/token.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import type { StateStore, Transaction } from "../../src/store/store.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { PLAIN_SANDBOX } from "../support/sandboxes.ts";
import { NO_STATE } from "../support/snapshot.ts";
import type { SigningKey } from "../../src/domain/credential/signing-key.ts";
import { apiKeyOf } from "../../src/domain/credential/api-key.ts";

/** Every kind of state store keeps these promises. `open` opens the same store again each time it is called. */
interface Kind {
  readonly name: string;
  readonly open: (folder: string) => Promise<StateStore>;
}

const KINDS: readonly Kind[] = [{ name: "sqlite", open: async (folder) => openSqliteStore(join(folder, "store.db")) }];

const sandbox = (id: string) => ({
  id,
  ...PLAIN_SANDBOX,
  createdAt: 1000,
});

const token = (fields: Partial<TokenRecord> = {}): TokenRecord => ({
  id: newId("tok"),
  subject: "agent-1",
  role: "executor",
  sandboxes: ["py-*"],
  operations: null,
  createdAt: 1000,
  expiresAt: 5000,
  revokedAt: null,
  hash: newId("tok"),
  form: "signed",
  prefix: null,
  lastUsedAt: null,
  ...fields,
});

const signingKey = (id: string, fields: Partial<SigningKey> = {}): SigningKey => ({
  id,
  algorithm: "EdDSA",
  createdAt: 1000,
  retiresAt: null,
  retiredAt: null,
  publicJwk: { kty: "OKP", crv: "Ed25519", x: "AA" },
  sealed: "AQID",
  ...fields,
});

const removal = (sandboxId: string) => ({ kind: "sandbox.removed", sandboxId }) as const;

const misuse = (details: string) => expect.objectContaining({ code: "GW_001", details });

const ids = (sandboxes: readonly { id: string }[]): string[] => sandboxes.map(({ id }) => id);

const addSandbox = (store: StateStore, id: string, ...urls: string[]): Promise<void> =>
  store.transaction(async ({ sandboxes }) => {
    await sandboxes.create(sandbox(id));
    for (const url of urls) await sandboxes.createInstance({ id: newId("ins"), sandboxId: id, url, weight: 1 });
  });

const addTokens = (store: StateStore, ...records: TokenRecord[]): Promise<void> =>
  store.transaction(async ({ tokens }) => {
    for (const record of records) await tokens.create(record);
  });

describe.each(KINDS)("a $name store", ({ open }) => {
  /** A new store, opened as often as it is asked for; all are closed when the test is over. */
  const fresh = async (): Promise<{ store: StateStore; again: () => Promise<StateStore> }> => {
    const folder = temporaryFolder();
    const again = async (): Promise<StateStore> => {
      const store = await open(folder);
      onTestFinished(() => store.close());
      return store;
    };
    return { store: await again(), again };
  };

  describe("sandboxes", () => {
    it("come back with their instances in the order these were added", async () => {
      const { store } = await fresh();
      const urls = ["http://z:1", "http://a:1", "http://m:1"];
      await addSandbox(store, "py", ...urls);
      const found = await store.sandboxes.find("py");
      expect(found).toMatchObject(sandbox("py"));
      expect(found?.instances.map((instance) => instance.url)).toEqual(urls);
      expect(await store.sandboxes.findInstance(found?.instances[1]?.id ?? "")).toEqual(found?.instances[1]);
      expect(await store.sandboxes.find("nope")).toBeUndefined();
      expect(await store.sandboxes.findInstance("nope")).toBeUndefined();
    });

    it("and their instances keep what is changed of them", async () => {
      const { store, again } = await fresh();
      await addSandbox(store, "py", "http://a:1");
      const [instance] = (await store.sandboxes.find("py"))?.instances ?? [];
      const changed = { ...sandbox("py"), strategy: "p2c", labels: { a: "b" }, settings: { firstByteTimeout: 5 } };
      await store.transaction(async ({ sandboxes }) => {
        expect(await sandboxes.update(changed)).toBe(true);
        expect(await sandboxes.update({ ...changed, id: "nope" })).toBe(false);
        expect(
          await sandboxes.updateInstance({ id: instance?.id ?? "", weight: 7, draining: true, tripped: true }),
        ).toBe(true);
        expect(await sandboxes.updateInstance({ id: "nope", weight: 7, draining: true, tripped: true })).toBe(false);
      });
      const found = await (await again()).sandboxes.find("py");
      expect(found).toEqual({ ...changed, instances: [{ ...instance, weight: 7, draining: true, tripped: true }] });
    });

    it("are listed by id, each with its own instances", async () => {
      const { store } = await fresh();
      await addSandbox(store, "b", "http://h:1");
      await addSandbox(store, "a");
      await addSandbox(store, "c");
      expect((await store.sandboxes.list()).map(({ id, instances }) => [id, instances.length])).toEqual([
        ["a", 0],
        ["b", 1],
        ["c", 0],
      ]);
    });

    it("are removed together with their instances, and it is said whether there was one", async () => {
      const { store } = await fresh();
      await addSandbox(store, "py", "http://h:1");
      const instance = (await store.sandboxes.find("py"))?.instances[0]?.id ?? "";
      expect(await store.transaction(({ sandboxes }) => sandboxes.remove("py"))).toBe(true);
      expect(await store.transaction(({ sandboxes }) => sandboxes.remove("py"))).toBe(false);
      expect(await store.sandboxes.findInstance(instance)).toBeUndefined();
      expect(await store.transaction(({ sandboxes }) => sandboxes.removeInstance(instance))).toBe(false);
    });

    it("take their routes with them, and nobody else's", async () => {
      const { store } = await fresh();
      await addSandbox(store, "a");
      await addSandbox(store, "b");
      const plain = { methods: ["GET"], stripPrefix: true, settings: { totalTimeout: 5 }, createdAt: 1 };
      const routes = [
        { id: "r1", host: null, path: "/y", sandboxId: "a", ...plain },
        { id: "r2", host: "h", path: "/x", sandboxId: "b", ...plain },
        { id: "r3", host: null, path: "/x", sandboxId: "b", ...plain, methods: null },
      ];
      await store.transaction(async (tables) => {
        for (const route of routes) await tables.routes.create(route);
      });
      const [r1, r2, r3] = routes;
      expect(await store.routes.list()).toEqual([r3, r1, r2]);
      expect(await store.routes.listOf("b")).toEqual([r3, r2]);
      expect(await store.routes.listAt({ host: null, path: "/x" })).toEqual([r3]);
      expect(await store.routes.find("r2")).toEqual(r2);
      await store.transaction(({ sandboxes }) => sandboxes.remove("a"));
      expect((await store.snapshot(0)).routes).toEqual([r3, r2]);
      expect(await store.transaction((tables) => tables.routes.remove("r3"))).toBe(true);
      expect(await store.transaction((tables) => tables.routes.remove("r3"))).toBe(false);
      expect(await store.routes.list()).toEqual([r2]);
    });

    it("never give an instance's number to another one", async () => {
      const { store } = await fresh();
      await addSandbox(store, "py");
      const add = (id: string) =>
        store.transaction(async ({ sandboxes }) => {
          const { number } = await sandboxes.createInstance({
            id,
            sandboxId: "py",
            url: `http://${id}:1`,
            weight: 1,
          });
          return number;
        });
      const first = await add("one");
      expect(await store.transaction(({ sandboxes }) => sandboxes.removeInstance("one"))).toBe(true);
      const second = await add("two");
      expect(second).toBeGreaterThan(first);
      await store.transaction(({ sandboxes }) => sandboxes.remove("py"));
      await addSandbox(store, "py");
      expect(await add("three")).toBeGreaterThan(second);
    });
  });

  describe("tokens", () => {
    it("come back as they were stored, by id and by hash", async () => {
      const { store } = await fresh();
      const record = token({ operations: ["run_code"], sandboxes: null });
      await addTokens(store, record);
      expect(await store.tokens.find(record.id)).toEqual(record);
      expect(await store.tokens.findByHash(record.hash)).toEqual(record);
      expect(await store.tokens.findByHash("other")).toBeUndefined();
    });

    it("are listed newest first", async () => {
      const { store } = await fresh();
      const records = [3000, 1000, 2000, 2000].map((createdAt) => token({ createdAt }));
      await addTokens(store, ...records);
      const order = [0, 3, 2, 1].map((index) => records[index]?.id);
      expect((await store.tokens.list()).map(({ id }) => id)).toEqual(order);
    });

    it("are revoked once and keep the first time", async () => {
      const { store } = await fresh();
      const record = token();
      await addTokens(store, record);
      const revoke = (id: string, at: number) => store.transaction(({ tokens }) => tokens.revoke(id, at));
      expect(await revoke(record.id, 2000)).toBe(true);
      expect(await revoke(record.id, 3000)).toBe(false);
      expect(await revoke("tok_unknown", 2000)).toBe(false);
      expect((await store.tokens.find(record.id))?.revokedAt).toBe(2000);
    });
  });

  it("keeps the first of two keys of one name", async () => {
    const { store, again } = await fresh();
    await Promise.all([
      store.keys.createIfAbsent("k", Buffer.from("first"), 1),
      (await again()).keys.createIfAbsent("k", Buffer.from("second"), 2),
    ]);
    expect(await store.keys.find("k")).toEqual(Buffer.from("first"));
    expect(await store.keys.find("other")).toBeUndefined();
  });

  it("keeps the last observation of a name", async () => {
    const { store } = await fresh();
    expect(await store.observed.find("daemon")).toBeUndefined();
    await store.observed.put("daemon", '{"a":1}', 1);
    await store.observed.put("daemon", '{"a":2}', 2);
    expect(await store.observed.find("daemon")).toEqual({ json: '{"a":2}', at: 2 });
  });

  describe("signing keys", () => {
    it("have one first, however many are offered, in the place of the one that was kept among the sealed keys", async () => {
      const { store, again } = await fresh();
      await store.keys.createIfAbsent("token-signing", Buffer.from("old"), 1);
      const other = await again();
      await Promise.all([
        store.signingKeys.createFirst(signingKey("a")),
        other.signingKeys.createFirst(signingKey("b")),
      ]);
      const kept = await store.signingKeys.list();
      expect(kept).toHaveLength(1);
      expect(await other.signingKeys.list()).toEqual(kept);
      expect(await store.keys.find("token-signing")).toBeUndefined();
    });

    it("are kept as they were written, listed the newest first, and change only in their state", async () => {
      const { store, again } = await fresh();
      const secret = signingKey("hs", { algorithm: "HS256", publicJwk: null });
      await store.transaction(async ({ signingKeys }) => {
        await signingKeys.create(secret);
        await signingKeys.create(signingKey("ed"));
      });
      expect(await (await again()).signingKeys.list()).toEqual([signingKey("ed"), secret]);
      const retired = { id: "ed", retiresAt: 5, retiredAt: 6, sealed: null };
      await store.transaction(async ({ signingKeys }) => {
        expect(await signingKeys.update(retired)).toBe(true);
        expect(await signingKeys.update({ ...retired, id: "none" })).toBe(false);
      });
      expect(await store.signingKeys.find("ed")).toEqual(signingKey("ed", retired));
      expect(await store.signingKeys.find("none")).toBeUndefined();
    });

    it("are in the snapshot, those with a public key without the private one", async () => {
      const { store } = await fresh();
      const secret = signingKey("hs", { algorithm: "HS256", publicJwk: null });
      await store.transaction(async ({ signingKeys }) => {
        await signingKeys.create(secret);
        await signingKeys.create(signingKey("ed"));
      });
      expect((await store.snapshot(0)).signingKeys).toEqual([signingKey("ed", { sealed: null }), secret]);
    });
  });

  it("seals its keys anew in a transaction, all or none", async () => {
    const { store } = await fresh();
    for (const name of ["b", "a"]) await store.keys.createIfAbsent(name, Buffer.from(name), 1);
    const replaced = store.transaction(async ({ keys }) => {
      for (const { name } of await keys.list()) await keys.replace({ name, sealed: Buffer.from(`${name}, again`) });
      throw new Error("broken off");
    });
    await expect(replaced).rejects.toThrow("broken off");
    const list = () => store.transaction(({ keys }) => keys.list());
    expect(await list()).toEqual([
      { name: "a", sealed: Buffer.from("a") },
      { name: "b", sealed: Buffer.from("b") },
    ]);
    await store.transaction(({ keys }) => keys.replace({ name: "a", sealed: Buffer.from("other") }));
    await store.keys.scrub();
    expect(await store.keys.find("a")).toEqual(Buffer.from("other"));
  });

  describe("changes", () => {
    it("are handed out in order after a revision", async () => {
      const { store } = await fresh();
      expect(await store.changes.revision()).toBe(0);
      expect(await store.changes.since(0)).toEqual([]);
      const put = (id: string) => store.transaction(({ changes }) => changes.append(removal(id), 1));
      const first = await put("a");
      expect(await put("b")).toBe(first + 1);
      const third = await put("c");
      expect(await store.changes.revision()).toBe(third);
      expect(await store.changes.since(third)).toEqual([]);
      expect(await store.changes.since(first)).toEqual([
        { revision: first + 1, change: removal("b") },
        { revision: third, change: removal("c") },
      ]);
    });

    it("are answered with resync when some after the asked revision are no longer kept, or were never there", async () => {
      const { store } = await fresh();
      await store.transaction(async ({ changes }) => {
        for (let n = 0; n < 10_005; n += 1) await changes.append(removal(`${n}`), 1);
      });
      expect(await store.changes.since(0)).toBe("resync");
      expect(await store.changes.since(4)).toBe("resync");
      expect(await store.changes.since(5)).toHaveLength(10_000);
      expect(await store.changes.since(10_005)).toEqual([]);
      expect(await store.changes.since(10_006)).toBe("resync");
    });

    it("have revisions without a gap in the order of their commits, also when transactions are undone between them", async () => {
      const { store, again } = await fresh();
      const stores = [store, await again()];
      const outcomes = await Promise.allSettled(
        Array.from({ length: 30 }, (_, n) =>
          (stores[n % 2] ?? store).transaction(async ({ changes }) => {
            const revision = await changes.append(removal(`${n}`), 1);
            if (n % 3 === 0) throw new Error("undone");
            return revision;
          }),
        ),
      );
      const revisions = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      expect(revisions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
      expect(await store.changes.revision()).toBe(20);
    });
  });

  describe("tokens", () => {
    it("of a subject are revoked together, those that were created before; only what was good counts", async () => {
      const { store } = await fresh();
      const mine = { subject: "ada" };
      const [old, expired, later, other] = [
        token(mine),
        token({ ...mine, expiresAt: 1999 }),
        token({ ...mine, createdAt: 1500 }),
        token(),
      ];
      await addTokens(store, old, expired, later, other);
      const revoke = () => store.transaction(({ tokens }) => tokens.revokeOf("ada", 1500, 2000));
      expect([await revoke(), await revoke()]).toEqual([1, 0]);
      const revokedAt = async ({ id }: TokenRecord) => (await store.tokens.find(id))?.revokedAt;
      expect([await revokedAt(old), await revokedAt(later), await revokedAt(other)]).toEqual([2000, null, null]);
    });

    it("keep the latest use that was noticed, in whatever order it is told", async () => {
      const { store } = await fresh();
      const used = token();
      await addTokens(store, used);
      for (const at of [3000, 2000]) {
        await store.uses.note([
          { tokenId: used.id, at },
          { tokenId: "tok_gone", at },
        ]);
      }
      expect((await store.tokens.find(used.id))?.lastUsedAt).toBe(3000);
    });
  });

  describe("a snapshot", () => {
    it("holds what the data path needs: sandboxes, the revocations that still matter, the revision", async () => {
      const { store } = await fresh();
      await addSandbox(store, "py", "http://h:1");
      const [live, expired, untouched] = [token({ expiresAt: 3001 }), token({ expiresAt: 3000 }), token()];
      await addTokens(store, live, expired, untouched);
      const revision = await store.transaction(async ({ tokens, changes }) => {
        for (const { id } of [live, expired]) await tokens.revoke(id, 2000);
        return changes.append({ kind: "token.revoked", tokenId: live.id, expiresAt: 3001 }, 2000);
      });
      expect(await store.snapshot(3000)).toEqual({
        ...NO_STATE,
        revision,
        sandboxes: await store.sandboxes.list(),
        revoked: [{ tokenId: live.id, expiresAt: 3001 }],
      });
    });

    it("holds the API keys that are good, and what was revoked of what was made elsewhere", async () => {
      const { store } = await fresh();
      const opaque = { form: "opaque", prefix: "sgw_abcdef" } as const;
      const [good, expired, revoked] = [token(opaque), token({ ...opaque, expiresAt: 3000 }), token(opaque)];
      await addTokens(store, good, expired, revoked, token());
      await store.transaction(async ({ tokens, revocations }) => {
        await tokens.revoke(revoked.id, 2000);
        await revocations.revokeId({ tokenId: "foreign", expiresAt: 3001 }, 2000);
        await revocations.revokeId({ tokenId: "gone", expiresAt: 3000 }, 2000);
        await revocations.revokeSubject({ subject: "ada", issuedBefore: 1500 }, 2000);
      });
      const { apiKeys, revoked: taken, revokedSubjects } = await store.snapshot(3000);
      expect(apiKeys).toEqual([apiKeyOf(good)]);
      expect(taken.map(({ tokenId }) => tokenId).toSorted()).toEqual(["foreign", revoked.id].toSorted());
      expect(revokedSubjects).toEqual([{ subject: "ada", issuedBefore: 1500 }]);
    });

    it("never holds a change whose rows it has not, nor rows without their change", async () => {
      const { store, again } = await fresh();
      const other = await again();
      const add = (id: string) =>
        other.transaction(async ({ sandboxes, changes }) => {
          await sandboxes.create(sandbox(id));
          await changes.append(removal(id), 1);
        });
      const seen = [];
      for (let n = 0; n < 20; n += 1) {
        const [, { revision, sandboxes }] = await Promise.all([add(`s${n}`), store.snapshot(0)]);
        seen.push(revision - sandboxes.length);
      }
      expect(seen).toEqual(Array(20).fill(0));
    });
  });

  describe("a transaction", () => {
    it("shows its own writes inside, and to everybody once it is committed", async () => {
      const { store, again } = await fresh();
      const other = await again();
      await store.transaction(async ({ sandboxes }) => {
        await sandboxes.create(sandbox("py"));
        expect(await sandboxes.find("py")).toBeDefined();
      });
      expect(await store.sandboxes.find("py")).toBeDefined();
      expect(await other.sandboxes.find("py")).toBeDefined();
    });

    it("passes its result on", async () => {
      expect(await (await fresh()).store.transaction(async () => "result")).toBe("result");
    });

    it.each<[string, (tables: Transaction, failure: Error) => Promise<void>]>([
      ["is rejected", async (_, failure) => Promise.reject(failure)],
      [
        "throws at once",
        (_, failure) => {
          throw failure;
        },
      ],
    ])("that %s is undone whole, passes the error on, and leaves the store in working order", async (_, fail) => {
      const { store } = await fresh();
      const failure = new Error("no");
      const work = store.transaction(async (tables) => {
        await tables.sandboxes.create(sandbox("py"));
        await tables.tokens.create(token());
        await tables.changes.append(removal("x"), 1);
        tables.audit.insert({ seq: 1, count: 1, lines: "{}", hash: "" });
        await fail(tables, failure);
      });
      await expect(work).rejects.toBe(failure);
      expect(await store.sandboxes.list()).toEqual([]);
      expect(await store.tokens.list()).toEqual([]);
      expect(await store.changes.revision()).toBe(0);
      expect(await store.transaction(async ({ audit }) => audit.last(1))).toEqual([]);
    });

    it("is never looked into by anybody else in its process, reading or writing", async () => {
      const { store } = await fresh();
      await addSandbox(store, "py");
      const failing = store.transaction(async ({ sandboxes, changes }) => {
        await sandboxes.create(sandbox("undone"));
        await changes.append(removal("undone"), 1);
        for (let n = 0; n < 50; n += 1) await sandboxes.find("undone");
        throw new Error("no");
      });
      const before = store.sandboxes.list();
      const writing = store.transaction(async ({ sandboxes, changes }) => {
        const found = ids(await sandboxes.list());
        await sandboxes.create(sandbox("written"));
        await changes.append(removal("written"), 1);
        return found;
      });
      const [feed, observer, snapshot] = [store.changes.since(0), store.observed.put("x", "{}", 1), store.snapshot(0)];
      await expect(failing).rejects.toThrow("no");
      expect(ids(await before)).not.toContain("undone");
      expect(await writing).toEqual(["py"]);
      expect([[], [{ revision: 1, change: removal("written") }]]).toContainEqual(await feed);
      await observer;
      const { revision, sandboxes } = await snapshot;
      expect(ids(sandboxes)).toEqual(["py", "written"].slice(0, 1 + revision));
    });

    it("sees no other commit between what it reads and its own", async () => {
      const { store, again } = await fresh();
      const stores = [store, await again(), await again()];
      // Each makes the next name from how many there are: two that overlapped would make the same one, and one would fail.
      const add = (n: number) =>
        (stores[n % 3] ?? store).transaction(async ({ sandboxes }) => {
          const { length } = await sandboxes.list();
          await sandboxes.create(sandbox(`n${length}`));
        });
      await Promise.all(Array.from({ length: 30 }, (_, n) => add(n)));
      expect(await store.sandboxes.list()).toHaveLength(30);
    });

    it.each<[string, boolean, () => Promise<unknown>]>([
      ["a timer", true, () => new Promise((resolve) => setTimeout(resolve, 1))],
      ["the next turn of the event loop", true, () => new Promise((resolve) => setImmediate(resolve))],
      ["another thread", true, () => crypto.subtle.digest("SHA-256", Buffer.from("x"))],
      ["something that never comes", false, () => new Promise(() => {})],
    ])("that waits for %s is undone and refused, and nobody waits for it", async (_, comes, wait) => {
      const { store } = await fresh();
      let late: Promise<unknown> | undefined;
      const refused = store.transaction(async (tables) => {
        await tables.sandboxes.create(sandbox("late"));
        late = wait().then(() => tables.sandboxes.create(sandbox("later")));
        await late;
      });
      const next = store.transaction(async ({ sandboxes }) => (await sandboxes.list()).length);
      await expect(refused).rejects.toEqual(misuse("a transaction waited for something else than its own tables"));
      expect(await next).toBe(0);
      const afterwards = comes ? late?.catch((error: unknown) => error) : misuse("the transaction is over");
      expect(await afterwards).toEqual(misuse("the transaction is over"));
      expect(await store.sandboxes.list()).toEqual([]);
    });

    it("in a transaction is refused, and what it was to do is not done", async () => {
      const { store } = await fresh();
      const outer = store.transaction(async ({ sandboxes }) => {
        await sandboxes.create(sandbox("outer"));
        await store.transaction((inner) => inner.sandboxes.create(sandbox("inner")));
      });
      await expect(outer).rejects.toEqual(misuse("a transaction inside a transaction"));
      expect(await store.sandboxes.list()).toEqual([]);
    });

    it("that uses the store instead of its own tables is refused", async () => {
      const { store } = await fresh();
      const work = store.transaction(async ({ sandboxes }) => {
        await sandboxes.create(sandbox("py"));
        await store.sandboxes.find("py");
      });
      await expect(work).rejects.toEqual(misuse("inside a transaction only its own tables can be used"));
      expect(await store.sandboxes.list()).toEqual([]);
    });

    it("takes its tables with it when it ends", async () => {
      const { store } = await fresh();
      const tables = await store.transaction(async (own) => own);
      const over = misuse("the transaction is over");
      await expect(tables.sandboxes.create(sandbox("py"))).rejects.toEqual(over);
      await expect(tables.tokens.list()).rejects.toEqual(over);
      await expect(tables.changes.append(removal("x"), 1)).rejects.toEqual(over);
      expect(() => tables.audit.head()).toThrow(over);
      expect(() => tables.audit.setHead({ seq: 1, hash: "", mac: "" })).toThrow(over);
      expect(await store.changes.revision()).toBe(0);
    });
  });

  it("tells others that something was committed, and shows it to them", async () => {
    const { store, again } = await fresh();
    const other = await again();
    const before = await other.dataVersion();
    expect(await other.dataVersion()).toBe(before);
    await addSandbox(store, "py");
    expect(await other.dataVersion()).not.toBe(before);
    expect(await other.sandboxes.find("py")).toBeDefined();
  });

  it("finds everything again after it was closed", async () => {
    const { store, again } = await fresh();
    const record = token();
    await addTokens(store, record);
    await store.close();
    expect(await (await again()).tokens.find(record.id)).toEqual(record);
  });

  it("is closed after everything that was asked for before", async () => {
    const { store, again } = await fresh();
    const written = addSandbox(store, "py");
    const read = store.sandboxes.list();
    await store.close();
    await written;
    expect(await read).toHaveLength(1);
    expect(await (await again()).sandboxes.list()).toHaveLength(1);
  });
});
