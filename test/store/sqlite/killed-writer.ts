// Commits one sandbox, begins a second one, says so and waits to be killed.
import { openSqliteStore } from "../../../src/store/sqlite/open.ts";

const store = openSqliteStore(process.argv[2] ?? "");
const add = (id: string): void => {
  store.sandboxes.create({ id, runtime: "generic", driver: "static", strategy: null, createdAt: 1 });
  store.changes.append({ kind: "sandbox.removed", sandboxId: id }, 1);
};
store.transaction(() => add("committed"));
store.transaction(() => {
  add("half-done");
  // Enough to spill out of the page cache, so that uncommitted pages are in the log on disk.
  for (let seq = 1; seq <= 20_000; seq += 1) store.audit.insert({ seq, count: 1, lines: "x".repeat(300), hash: "" });
  process.stdout.write("in the middle\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
