// Commits one sandbox, begins a second one, says so and waits to be killed.
import { openSqliteStore } from "../../../src/store/sqlite/open.ts";
import type { Transaction } from "../../../src/store/store.ts";
import { PLAIN_SANDBOX } from "../../support/sandboxes.ts";

const store = openSqliteStore(process.argv[2] ?? "");
const add = async ({ sandboxes, changes }: Transaction, id: string): Promise<void> => {
  await sandboxes.create({
    id,
    ...PLAIN_SANDBOX,
    createdAt: 1,
  });
  await changes.append({ kind: "sandbox.removed", sandboxId: id }, 1);
};
await store.transaction((tables) => add(tables, "committed"));
await store.transaction(async (tables) => {
  await add(tables, "half-done");
  const { audit } = tables;
  // Enough to spill out of the page cache, so that uncommitted pages are in the log on disk.
  for (let seq = 1; seq <= 20_000; seq += 1) audit.insert({ seq, count: 1, lines: "x".repeat(300), hash: "" });
  process.stdout.write("in the middle\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
