import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../../src/store/sqlite/engine/connection.ts";
import { MIGRATIONS, migrate } from "../../../../src/store/sqlite/engine/migrations.ts";
import { openSqliteStore } from "../../../../src/store/sqlite/open.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { PLAIN_SANDBOX } from "../../../support/sandboxes.ts";

/** A database with a sandbox and its two instances, as this version makes it. */
async function filled(): Promise<string> {
  const file = join(temporaryFolder(), "sandboxgw.db");
  const store = openSqliteStore(file);
  await store.transaction(async ({ sandboxes }) => {
    await sandboxes.create({
      id: "py",
      ...PLAIN_SANDBOX,
      createdAt: 1,
    });
    for (const id of ["ins_1", "ins_2"])
      await sandboxes.createInstance({ id, sandboxId: "py", url: `http://${id}:1`, weight: 1 });
  });
  await store.close();
  return file;
}

function connect(file: string): Connection {
  const connection = new Connection(file, { busyTimeout: 0 });
  onTestFinished(() => connection.close());
  return connection;
}

/** As SQLite's manual says a table is to be changed when ALTER TABLE cannot do it. */
const REBUILD_SANDBOXES = `
  CREATE TABLE rebuilt (
    id         TEXT PRIMARY KEY NOT NULL,
    runtime    TEXT NOT NULL,
    driver     TEXT NOT NULL,
    strategy   TEXT,
    labels     TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL
  ) STRICT;
  INSERT INTO rebuilt (id, runtime, driver, strategy, created_at)
    SELECT id, runtime, driver, strategy, created_at FROM sandboxes;
  DROP TABLE sandboxes;
  ALTER TABLE rebuilt RENAME TO sandboxes;
`;

const instancesIn = (connection: Connection): unknown[] =>
  connection.preparePlucked("SELECT id FROM instances ORDER BY number").all();

describe("a migration that rebuilds a table", () => {
  test("keeps the rows that refer to it, and the reference", async () => {
    const file = await filled();
    const connection = connect(file);
    migrate(connection, file, [...MIGRATIONS, REBUILD_SANDBOXES]);
    expect(connection.pragma("user_version")).toBe(MIGRATIONS.length + 1);
    expect(connection.preparePlucked("SELECT labels FROM sandboxes").all()).toEqual(["{}"]);
    expect(instancesIn(connection)).toEqual(["ins_1", "ins_2"]);
    // Foreign keys hold again: the new table takes its instances with it.
    connection.execute("DELETE FROM sandboxes");
    expect(instancesIn(connection)).toEqual([]);
  });

  test("and loses rows that others refer to is undone and refused", async () => {
    const file = await filled();
    const connection = connect(file);
    const losing = REBUILD_SANDBOXES.replace("FROM sandboxes;", "FROM sandboxes WHERE id <> 'py';");
    expect(() => migrate(connection, file, [...MIGRATIONS, losing])).toThrow(
      expect.objectContaining({ code: "GW_005", details: expect.stringContaining("rows of instances") }),
    );
    expect(connection.pragma("user_version")).toBe(MIGRATIONS.length);
    expect(connection.preparePlucked("SELECT id FROM sandboxes").all()).toEqual(["py"]);
    expect(instancesIn(connection)).toEqual(["ins_1", "ins_2"]);
    expect(connection.pragma("foreign_keys")).toBe(1);
  });
});

test("a store that is open holds references", async () => {
  const file = await filled();
  const store = openSqliteStore(file);
  onTestFinished(() => store.close());
  const orphan = store.transaction(({ sandboxes }) =>
    sandboxes.createInstance({ id: "ins_3", sandboxId: "nobody", url: "http://h:1", weight: 1 }),
  );
  await expect(orphan).rejects.toThrow(/FOREIGN KEY/);
});
