import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newId } from "../../src/domain/id.ts";
import type { TokenRecord } from "../../src/domain/token.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import type { Store } from "../../src/store/store.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Every kind of store keeps these promises. `open` opens the same store again each time it is called. */
interface Kind {
  readonly name: string;
  readonly open: (folder: string) => Store;
}

const KINDS: readonly Kind[] = [{ name: "sqlite", open: (folder) => openSqliteStore(join(folder, "store.db")) }];

const sandbox = (id: string) => ({ id, runtime: "generic", driver: "static", strategy: null, createdAt: 1000 });

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
  ...fields,
});

describe.each(KINDS)("a $name store", ({ open }) => {
  const withStore = (work: (store: Store, again: () => Store) => void): void => {
    const folder = temporaryFolder();
    const opened: Store[] = [];
    const next = (): Store => {
      const store = open(folder);
      opened.push(store);
      return store;
    };
    try {
      work(next(), next);
    } finally {
      for (const store of opened) store.close();
    }
  };

  it("keeps a sandbox with its instances in the order they were added", () =>
    withStore((store) => {
      store.sandboxes.create(sandbox("py"));
      const urls = ["http://z:1", "http://a:1", "http://m:1"];
      for (const url of urls) store.sandboxes.createInstance({ id: newId("ins"), sandboxId: "py", url });
      expect(store.sandboxes.find("py")).toMatchObject(sandbox("py"));
      expect(store.sandboxes.find("py")?.instances.map((instance) => instance.url)).toEqual(urls);
      expect(store.sandboxes.find("nope")).toBeUndefined();
    }));

  it("lists sandboxes by id, each with its own instances", () =>
    withStore((store) => {
      for (const id of ["b", "a", "c"]) store.sandboxes.create(sandbox(id));
      store.sandboxes.createInstance({ id: "ins_1", sandboxId: "b", url: "http://h:1" });
      expect(store.sandboxes.list().map(({ id, instances }) => [id, instances.length])).toEqual([
        ["a", 0],
        ["b", 1],
        ["c", 0],
      ]);
    }));

  it("removes a sandbox together with its instances, and says whether there was one", () =>
    withStore((store) => {
      store.sandboxes.create(sandbox("py"));
      store.sandboxes.createInstance({ id: "ins_1", sandboxId: "py", url: "http://h:1" });
      expect(store.sandboxes.remove("py")).toBe(true);
      expect(store.sandboxes.remove("py")).toBe(false);
      expect(store.sandboxes.findInstance("ins_1")).toBeUndefined();
    }));

  it("never gives an instance's number to another one", () =>
    withStore((store) => {
      store.sandboxes.create(sandbox("py"));
      const add = (id: string) => store.sandboxes.createInstance({ id, sandboxId: "py", url: `http://${id}:1` }).number;
      const first = add("one");
      expect(store.sandboxes.removeInstance("one")).toBe(true);
      expect(add("two")).toBeGreaterThan(first);
      store.sandboxes.remove("py");
      store.sandboxes.create(sandbox("py"));
      expect(add("three")).toBe(first + 2);
    }));

  it("gives a token back as it was stored, by id and by hash", () =>
    withStore((store) => {
      const record = token({ operations: ["run_code"], sandboxes: null });
      store.tokens.create(record);
      expect(store.tokens.find(record.id)).toEqual(record);
      expect(store.tokens.findByHash(record.hash)).toEqual(record);
      expect(store.tokens.findByHash("other")).toBeUndefined();
    }));

  it("lists tokens newest first", () =>
    withStore((store) => {
      const times = [3000, 1000, 2000, 2000];
      const records = times.map((createdAt) => token({ createdAt }));
      for (const record of records) store.tokens.create(record);
      const order = [0, 3, 2, 1].map((index) => records[index]?.id);
      expect(store.tokens.list().map(({ id }) => id)).toEqual(order);
    }));

  it("revokes a token once and keeps the first time", () =>
    withStore((store) => {
      const record = token();
      store.tokens.create(record);
      expect(store.tokens.revoke(record.id, 2000)).toBe(true);
      expect(store.tokens.revoke(record.id, 3000)).toBe(false);
      expect(store.tokens.revoke("tok_unknown", 2000)).toBe(false);
      expect(store.tokens.find(record.id)?.revokedAt).toBe(2000);
    }));

  it("keeps the first of two keys of one name", () =>
    withStore((store) => {
      store.keys.createIfAbsent("k", Buffer.from("first"), 1);
      store.keys.createIfAbsent("k", Buffer.from("second"), 2);
      expect(store.keys.find("k")).toEqual(Buffer.from("first"));
      expect(store.keys.find("other")).toBeUndefined();
    }));

  it("hands out changes in order after a revision", () =>
    withStore((store) => {
      expect(store.changes.revision()).toBe(0);
      expect(store.changes.since(0)).toEqual([]);
      const put = (id: string) => store.changes.append({ kind: "sandbox.removed", sandboxId: id }, 1);
      const first = put("a");
      put("b");
      const third = put("c");
      expect(store.changes.revision()).toBe(third);
      expect(store.changes.since(third)).toEqual([]);
      expect(store.changes.since(first)).toEqual([
        { revision: first + 1, change: { kind: "sandbox.removed", sandboxId: "b" } },
        { revision: third, change: { kind: "sandbox.removed", sandboxId: "c" } },
      ]);
    }));

  it("answers resync when changes after the asked revision are no longer kept, or were never there", () =>
    withStore((store) => {
      store.transaction(() => {
        for (let n = 0; n < 10_005; n += 1) store.changes.append({ kind: "sandbox.removed", sandboxId: `${n}` }, 1);
      });
      expect(store.changes.since(0)).toBe("resync");
      expect(store.changes.since(4)).toBe("resync");
      expect(store.changes.since(5)).toHaveLength(10_000);
      expect(store.changes.since(10_005)).toEqual([]);
      expect(store.changes.since(10_006)).toBe("resync");
    }));

  it("keeps the head of the audit chain", () =>
    withStore((store) => {
      expect(store.audit.head()).toBeUndefined();
      store.audit.setHead({ seq: 4, hash: "4", mac: "m4" });
      store.audit.setHead({ seq: 5, hash: "5", mac: "m5" });
      expect(store.audit.head()).toEqual({ seq: 5, hash: "5", mac: "m5" });
    }));

  describe("audit links", () => {
    // Records 1, 2–4, 5–6, 7.
    const LINKS = [
      { seq: 1, count: 1, lines: '{"n":1}', hash: "a" },
      { seq: 4, count: 3, lines: '{"n":2}\n{"n":"\\u0000é"}\n{"n":4}', hash: "b" },
      { seq: 6, count: 2, lines: "not\0json\n", hash: "c" },
      { seq: 7, count: 1, lines: '{"n":7}', hash: "d" },
    ];
    const [first, second, third, fourth] = LINKS;
    const withLinks = (work: (store: Store) => void) =>
      withStore((store) => {
        for (const link of LINKS) store.audit.insert(link);
        work(store);
      });

    it("come back as they were inserted, in order", () =>
      withLinks((store) => expect(store.audit.after(0, 100)).toEqual(LINKS)));

    it.each([
      ["after the last record of a link", 1, 2, [second, third]],
      ["after a record in the middle of one", 2, 1, [second]],
      ["after the newest record", 7, 100, []],
      ["after anything at all", -Infinity, 100, LINKS],
      ["none of them", 0, 0, []],
    ])("are found %s", (_, seq, limit, expected) =>
      withLinks((store) => expect(store.audit.after(seq, limit)).toEqual(expected)),
    );

    it.each([
      [0, []],
      [1, [fourth]],
      [2, [third, fourth]],
      [3, [third, fourth]],
      [4, [second, third, fourth]],
      [6, [second, third, fourth]],
      [7, [first, second, third, fourth]],
      [1_000_000, LINKS],
    ])("that hold the newest %i records are found whole", (count, expected) =>
      withLinks((store) => expect(store.audit.last(count)).toEqual(expected)),
    );

    it("are not found before there are any", () => withStore((store) => expect(store.audit.last(5)).toEqual([])));
  });

  it("keeps the last observation of a name", () =>
    withStore((store) => {
      expect(store.observed.find("daemon")).toBeUndefined();
      store.observed.put("daemon", '{"a":1}', 1);
      store.observed.put("daemon", '{"a":2}', 2);
      expect(store.observed.find("daemon")).toEqual({ json: '{"a":2}', at: 2 });
    }));

  it("undoes everything when a transaction throws, and passes the error on", () =>
    withStore((store) => {
      const failure = new Error("no");
      const work = () =>
        store.transaction(() => {
          store.sandboxes.create(sandbox("py"));
          store.changes.append({ kind: "sandbox.removed", sandboxId: "x" }, 1);
          throw failure;
        });
      expect(work).toThrow(failure);
      expect(store.sandboxes.list()).toEqual([]);
      expect(store.changes.revision()).toBe(0);
      expect(store.transaction(() => "works again")).toBe("works again");
    }));

  it("shows a commit to everybody who has it open, and tells others that something changed", () =>
    withStore((store, again) => {
      const other = again();
      const before = other.dataVersion();
      const own = store.dataVersion();
      expect(other.dataVersion()).toBe(before);
      store.sandboxes.create(sandbox("py"));
      expect(other.dataVersion()).not.toBe(before);
      expect(store.dataVersion()).toBe(own);
      expect(other.sandboxes.find("py")).toBeDefined();
    }));

  it("does not show what is not committed", () =>
    withStore((store, again) => {
      const other = again();
      store.transaction(() => {
        store.sandboxes.create(sandbox("py"));
        expect(store.sandboxes.find("py")).toBeDefined();
        expect(other.sandboxes.find("py")).toBeUndefined();
      });
      expect(other.sandboxes.find("py")).toBeDefined();
    }));

  it("takes a snapshot of what the data path needs: sandboxes, unexpired revocations, revision", () =>
    withStore((store) => {
      store.sandboxes.create(sandbox("py"));
      store.sandboxes.createInstance({ id: "ins_1", sandboxId: "py", url: "http://h:1" });
      const [live, expired, untouched] = [token({ expiresAt: 5000 }), token({ expiresAt: 3000 }), token()];
      for (const record of [live, expired, untouched]) store.tokens.create(record);
      for (const { id } of [live, expired]) store.tokens.revoke(id, 2000);
      const revision = store.changes.append({ kind: "token.revoked", tokenId: live.id, expiresAt: 5000 }, 2000);
      expect(store.snapshot(3000)).toEqual({
        revision,
        sandboxes: store.sandboxes.list(),
        revoked: [{ tokenId: live.id, expiresAt: 5000 }],
      });
    }));

  it("finds everything again after it was closed", () =>
    withStore((store, again) => {
      const record = token();
      store.tokens.create(record);
      store.close();
      expect(again().tokens.find(record.id)).toEqual(record);
    }));
});
