import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../src/store/sqlite/connection.ts";
import { openTestStore } from "../../support/stores.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** A store, and the lock that keeps it from writing. */
function locked(busyTimeout: number) {
  const file = join(temporaryFolder(), "store.db");
  const store = openTestStore(file, { busyTimeout });
  const holder = new Connection(file, { busyTimeout: 0 });
  holder.begin();
  onTestFinished(() => {
    holder.rollback();
    holder.close();
  });
  return { store, release: () => holder.rollback() };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a write that waits for another process's lock does not hold up the thread, and is done when the lock is free", async () => {
  const { store, release } = locked(20_000);
  const done: string[] = [];
  const writing = [
    store.transaction(async ({ changes }) => changes.revision()).then(() => done.push("transaction")),
    store.observed.put("x", "{}", 1).then(() => done.push("put")),
    store.keys.createIfAbsent("k", Buffer.of(1), 1).then(() => done.push("key")),
  ];
  for (let turns = 0; turns < 50; turns += 1) await turn();
  expect(done).toEqual([]);
  // The audit log is not shut meanwhile: no transaction is open yet.
  expect(store.audit.head()).toBeUndefined();
  release();
  await Promise.all(writing);
  expect(done).toEqual(["transaction", "put", "key"]);
});

test("a lock that is never let go of is told as one, and the next one has its turn", async () => {
  const { store, release } = locked(20);
  const isLocked = expect.objectContaining({ code: "GW_008", details: expect.stringContaining("locked") });
  await expect(store.transaction(async () => undefined)).rejects.toEqual(isLocked);
  await expect(store.observed.put("x", "{}", 1)).rejects.toEqual(isLocked);
  release();
  await store.observed.put("x", "{}", 1);
  expect(await store.transaction(async () => "works")).toBe("works");
});
