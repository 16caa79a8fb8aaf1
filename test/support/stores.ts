import { join } from "node:path";
import { onTestFinished } from "vitest";
import { openSqliteStore, type SqliteOptions } from "../../src/store/sqlite/open.ts";
import type { SqliteStore } from "../../src/store/sqlite/sqlite-store.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A store in a file of its own (or in `file`), closed when the test is over. */
export function openTestStore(
  file: string = join(temporaryFolder(), "test.db"),
  options: SqliteOptions = {},
): SqliteStore {
  const store = openSqliteStore(file, options);
  onTestFinished(() => store.close());
  return store;
}
