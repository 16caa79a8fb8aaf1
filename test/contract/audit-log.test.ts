import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { AuditLog } from "../../src/store/audit-log.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import type { StateStore } from "../../src/store/store.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Every kind of audit log keeps these promises, whichever state store stands beside it. */
interface Kind {
  readonly name: string;
  readonly open: () => StateStore & { readonly audit: AuditLog };
}

const KINDS: readonly Kind[] = [{ name: "sqlite", open: () => openSqliteStore(join(temporaryFolder(), "store.db")) }];

// Records 1, 2–4, 5–6, 7.
const LINKS = [
  { seq: 1, count: 1, lines: '{"n":1}', hash: "a" },
  { seq: 4, count: 3, lines: '{"n":2}\n{"n":"\\u0000é"}\n{"n":4}', hash: "b" },
  { seq: 6, count: 2, lines: "not\0json\n", hash: "c" },
  { seq: 7, count: 1, lines: '{"n":7}', hash: "d" },
];
const [first, second, third, fourth] = LINKS;

describe.each(KINDS)("a $name audit log", ({ open }) => {
  const fresh = () => {
    const store = open();
    onTestFinished(() => store.close());
    return { store, log: store.audit };
  };
  const filled = () => {
    const { store, log } = fresh();
    log.transaction(() => {
      for (const link of LINKS) log.insert(link);
    });
    return { store, log };
  };

  it("keeps the head of the chain", () => {
    const { log } = fresh();
    expect(log.head()).toBeUndefined();
    log.transaction(() => log.setHead({ seq: 4, hash: "4", mac: "m4" }));
    log.transaction(() => log.setHead({ seq: 5, hash: "5", mac: "m5" }));
    expect(log.head()).toEqual({ seq: 5, hash: "5", mac: "m5" });
  });

  it("gives links back as they were inserted, in order", () => expect(filled().log.after(0, 100)).toEqual(LINKS));

  it.each([
    ["after the last record of a link", 1, 2, [second, third]],
    ["after a record in the middle of one", 2, 1, [second]],
    ["after the newest record", 7, 100, []],
    ["after anything at all", -Infinity, 100, LINKS],
    ["none of them", 0, 0, []],
  ])("finds links %s", (_, seq, limit, expected) => expect(filled().log.after(seq, limit)).toEqual(expected));

  it.each([
    [0, []],
    [1, [fourth]],
    [2, [third, fourth]],
    [3, [third, fourth]],
    [4, [second, third, fourth]],
    [6, [second, third, fourth]],
    [7, [first, second, third, fourth]],
    [1_000_000, LINKS],
  ])("finds the links that hold the newest %i records whole", (count, expected) =>
    expect(filled().log.last(count)).toEqual(expected),
  );

  it("finds none before there are any", () => expect(fresh().log.last(5)).toEqual([]));

  it("undoes a transaction that throws, and passes the error on", () => {
    const { log } = fresh();
    const failure = new Error("no");
    const work = () =>
      log.transaction(() => {
        log.insert({ seq: 1, count: 1, lines: "{}", hash: "a" });
        throw failure;
      });
    expect(work).toThrow(failure);
    expect(log.last(1)).toEqual([]);
    expect(
      log.transaction(() => undefined),
      "works again",
    ).toBe(true);
  });

  it("takes what a state transaction writes with that transaction, or not at all", async () => {
    const { store, log } = fresh();
    const insert = (seq: number, fails: boolean) =>
      store.transaction(async ({ audit, changes }) => {
        await changes.append({ kind: "sandbox.removed", sandboxId: `${seq}` }, 1);
        audit.insert({ seq, count: 1, lines: "{}", hash: "a" });
        audit.setHead({ seq, hash: "a", mac: "m" });
        if (fails) throw new Error("no");
      });
    await insert(1, false);
    await expect(insert(2, true)).rejects.toThrow("no");
    expect(log.after(0, 10).map(({ seq }) => seq)).toEqual([1]);
    expect(log.head()?.seq).toBe(1);
    expect(await store.changes.revision()).toBe(1);
  });

  it("neither shows nor takes anything inside somebody's open state transaction", async () => {
    const { store, log } = fresh();
    const link = { seq: 1, count: 1, lines: "{}", hash: "a" };
    const transaction = store.transaction(async ({ audit, sandboxes }) => {
      audit.insert(link);
      for (let n = 0; n < 50; n += 1) await sandboxes.list();
      throw new Error("undone");
    });
    const inside = expect.objectContaining({
      code: "GW_001",
      details: "the audit log was used while a state transaction is open",
    });
    const read = log.read((table) => table.last(1));
    for (let n = 0; n < 20; n += 1) {
      await Promise.resolve();
      expect(() => log.transaction(() => log.insert(link))).toThrow(inside);
      expect(() => log.head()).toThrow(inside);
      expect(() => log.last(1)).toThrow(inside);
    }
    await expect(transaction).rejects.toThrow("undone");
    expect(await read).toEqual([]);
    expect(log.last(1)).toEqual([]);
  });

  it("is never shut to whoever the event loop calls, however many transactions run", async () => {
    const { store, log } = fresh();
    const seqs = Array.from({ length: 50 }, (_, index) => index + 1);
    const appended = seqs.map(
      (seq) =>
        new Promise<void>((resolve, reject) =>
          setImmediate(() => {
            try {
              log.transaction(() => log.insert({ seq, count: 1, lines: "{}", hash: "a" }));
              resolve();
            } catch (error) {
              reject(error);
            }
          }),
        ),
    );
    const transactions = Promise.allSettled(
      seqs.map((seq) =>
        store.transaction(async ({ sandboxes }) => {
          await sandboxes.list();
          // Some wait for what they must not wait for.
          if (seq % 3 === 0) await appended[seq];
        }),
      ),
    );
    await Promise.all(appended);
    const outcomes = await transactions;
    expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(16);
    expect(log.last(50)).toHaveLength(50);
  });
});
