import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { GatewayError } from "../../../../src/errors.ts";
import { Connection } from "../../../../src/store/sqlite/engine/connection.ts";
import { openConnection } from "../../../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../../../src/store/sqlite/sqlite-store.ts";
import { openTestStore } from "../../../support/stores.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

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

test("everybody has their turn in the order they came, all in one turn of the event loop, whoever waits for what they must not", async () => {
  const store = openTestStore();
  const order: string[] = [];
  let turned = false;
  setImmediate(() => (turned = true));
  const append = (sandboxId: string) =>
    store.transaction(async ({ changes, sandboxes }) => {
      for (let n = 0; n < 20; n += 1) await sandboxes.list();
      return changes.append({ kind: "sandbox.removed", sandboxId }, 1);
    });
  const asked = [
    append("a").then((revision) => order.push(`a: ${revision}`)),
    store.changes.revision().then((revision) => order.push(`after a: ${revision}`)),
    store.transaction(() => turn()).catch((error: GatewayError) => order.push(`late: ${error.code}`)),
    store.changes.revision().then((revision) => order.push(`after the late one: ${revision}`)),
    append("b").then((revision) => order.push(`b: ${revision}`)),
    store.snapshot(0).then(({ revision }) => order.push(`after b: ${revision}`)),
  ];
  await Promise.all(asked);
  expect(order).toEqual(["a: 1", "after a: 1", "late: GW_001", "after the late one: 1", "b: 2", "after b: 2"]);
  expect(turned).toBe(false);
});

test("a transaction that the disk had no room for is undone whole, also when its work goes on after the error", async () => {
  const connection = openConnection(join(temporaryFolder(), "store.db"));
  const store = new SqliteStore(connection);
  onTestFinished(() => store.close());
  const create = (id: string, runtime: string) =>
    store.transaction(async ({ sandboxes, changes }) => {
      await changes.append({ kind: "sandbox.removed", sandboxId: id }, 1);
      const failed = await sandboxes
        .create({ id, runtime, driver: "d", strategy: null, labels: {}, settings: {}, createdAt: 1 })
        .then(
          () => undefined,
          (error: GatewayError) => error.code,
        );
      await sandboxes.create({
        id: "goes on",
        runtime: "r",
        driver: "d",
        strategy: null,
        labels: {},
        settings: {},
        createdAt: 1,
      });
      return failed;
    });
  connection.pragma(`max_page_count = ${Number(connection.pragma("page_count")) + 2}`);
  await expect(create("large", "x".repeat(1_000_000))).rejects.toMatchObject({ code: "GW_008" });
  expect(await store.sandboxes.list()).toEqual([]);
  expect(await store.changes.revision()).toBe(0);
  connection.pragma("max_page_count = 1000000");
  expect(await create("large", "x".repeat(1_000_000))).toBeUndefined();
  expect((await store.sandboxes.list()).map(({ id }) => id)).toEqual(["goes on", "large"]);
});
