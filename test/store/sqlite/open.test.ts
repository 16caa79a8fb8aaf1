import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import { Connection } from "../../../src/store/sqlite/engine/connection.ts";
import { MIGRATIONS } from "../../../src/store/sqlite/engine/migrations.ts";
import { openConnection, openSqliteStore } from "../../../src/store/sqlite/open.ts";
import { openTestStore } from "../../support/stores.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const withCode = (code: string) => expect.objectContaining({ code });

/** A database of ours with some content, closed. */
function madeDatabase(rows = 200): string {
  const file = join(temporaryFolder(), "sandboxgw.db");
  const store = openSqliteStore(file);
  store.audit.transaction(() => {
    for (let seq = 1; seq <= rows; seq += 1)
      store.audit.insert({ seq, count: 1, lines: "x".repeat(300), hash: `${seq}` });
  });
  void store.close();
  return file;
}

function overwrite(file: string, offset: number, bytes: Buffer): void {
  const fd = openSync(file, "r+");
  writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
}

/** The code a file is refused with, and whether every byte of it is still as it was. */
function refusalOf(file: string): { code: unknown; untouched: boolean } {
  const before = readFileSync(file);
  let code: unknown;
  try {
    void openSqliteStore(file).close();
  } catch (error) {
    code = error instanceof GatewayError ? error.code : error;
  }
  return { code, untouched: readFileSync(file).equals(before) };
}

describe("openSqliteStore", () => {
  it("makes files that only their owner can read", () => {
    const folder = temporaryFolder();
    void openTestStore(join(folder, "sandboxgw.db")).observed.put("x", "{}", 1);
    const modes = readdirSync(folder).map((name) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)]);
    expect(Object.fromEntries(modes)).toEqual({
      "sandboxgw.db": "600",
      "sandboxgw.db-shm": "600",
      "sandboxgw.db-wal": "600",
    });
  });

  it("has a new database's schema on the disk before anything is done with it: a power failure leaves no empty file", () => {
    const file = join(temporaryFolder(), "sandboxgw.db");
    void openTestStore(file).observed.put("x", "{}", 1);
    const left = join(temporaryFolder(), "sandboxgw.db");
    copyFileSync(file, left); // without its log, which need not have been on the disk yet
    expect(() => openSqliteStore(left, { mustExist: true }).close()).not.toThrow();
  });

  it("counts its migrations in the file, and leaves a file that has seen them all alone", () => {
    const file = madeDatabase();
    const before = readFileSync(file);
    void openSqliteStore(file).close();
    expect(readFileSync(file).equals(before)).toBe(true);
    const connection = new Connection(file, { readonly: true, busyTimeout: 0 });
    expect(connection.pragma("user_version")).toBe(MIGRATIONS.length);
    connection.close();
  });

  it.each([
    ["text", Buffer.from("this is not a database, it is a letter\n".repeat(200))],
    ["zeros", Buffer.alloc(8192)],
    ["a header and nothing behind it", Buffer.from("SQLite format 3\0")],
  ])("refuses a file of %s and leaves it as it is", (_, bytes) => {
    const file = join(temporaryFolder(), "sandboxgw.db");
    writeFileSync(file, bytes);
    expect(refusalOf(file)).toEqual({ code: "GW_005", untouched: true });
  });

  it("refuses a file whose pages are overwritten", () => {
    const file = madeDatabase();
    overwrite(file, 4096 * 16, Buffer.alloc(4096, 0xa5));
    expect(refusalOf(file)).toEqual({ code: "GW_005", untouched: true });
  });

  it("refuses a file that lost its end", () => {
    const file = madeDatabase();
    writeFileSync(file, readFileSync(file).subarray(0, 4096 * 14));
    expect(refusalOf(file)).toEqual({ code: "GW_005", untouched: true });
  });

  it("refuses a file of a newer version", () => {
    const file = madeDatabase();
    const database = new Database(file);
    database.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    database.close();
    expect(refusalOf(file)).toEqual({ code: "GW_006", untouched: true });
  });

  it("refuses a newer version that was killed, and leaves its log as it is too", () => {
    const killed = madeDatabase();
    const database = new Database(killed);
    database.pragma("journal_mode = WAL");
    database.pragma(`user_version = ${MIGRATIONS.length + 1}`);
    // What lies on the disk while it is open is what a killed process leaves behind.
    const file = join(temporaryFolder(), "sandboxgw.db");
    for (const suffix of ["", "-wal"]) copyFileSync(killed + suffix, file + suffix);
    database.close();
    const log = readFileSync(`${file}-wal`);
    expect(log.length).toBeGreaterThan(0);
    expect(refusalOf(file)).toEqual({ code: "GW_006", untouched: true });
    expect(readFileSync(`${file}-wal`).equals(log)).toBe(true);
  });

  it.each([0, 1])("refuses another program's database (its user_version %i)", (version) => {
    const file = join(temporaryFolder(), "sandboxgw.db");
    const database = new Database(file);
    database.exec("CREATE TABLE customers (name TEXT)");
    database.pragma(`user_version = ${version}`);
    database.close();
    expect(refusalOf(file)).toEqual({ code: "GW_005", untouched: true });
  });

  it("opens a file left by a process that was killed in the middle of a transaction, without that transaction", async () => {
    const file = join(temporaryFolder(), "sandboxgw.db");
    const child = spawn(process.execPath, [join(import.meta.dirname, "killed-writer.ts"), file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    const store = openTestStore(file);
    expect((await store.sandboxes.list()).map(({ id }) => id)).toEqual(["committed"]);
    expect(await store.changes.revision()).toBe(1);
    await store.observed.put("x", "{}", 1);
  });

  it("waits for the disk at every commit only when power cuts must be survived", () => {
    const file = madeDatabase(0);
    const [NORMAL, FULL] = [1, 2];
    for (const [durability, expected] of [
      ["process", NORMAL],
      ["power", FULL],
    ] as const) {
      const connection = openConnection(file, { durability });
      expect(connection.pragma("synchronous")).toBe(expected);
      connection.close();
    }
  });

  it("waits for a writer in another connection, then says that the file is locked", () => {
    const file = madeDatabase(0);
    const holder = new Connection(file, { busyTimeout: 0 });
    const other = new Connection(file, { busyTimeout: 1 });
    holder.write(() => {
      expect(() => other.write(() => {})).toThrow(
        expect.objectContaining({
          code: "GW_008",
          details: expect.stringContaining("locked"),
          remediation: expect.stringContaining("Repeat"),
        }),
      );
    });
    holder.close();
    other.close();
  });

  it("says that the disk is full, keeps what was committed and goes on when there is room again", () => {
    const file = madeDatabase(0);
    const connection = new Connection(file, { busyTimeout: 0 });
    const insert = connection.prepare<[text: string]>("INSERT INTO observed (name, json, at) VALUES (?, '', 1)");
    insert.run("kept");
    const pages = Number(connection.pragma("page_count"));
    connection.pragma(`max_page_count = ${pages}`);
    const fill = () => connection.write(() => insert.run("x".repeat(1_000_000)));
    expect(fill).toThrow(
      expect.objectContaining({
        code: "GW_008",
        details: expect.stringContaining("full"),
        remediation: expect.stringContaining("Free space"),
      }),
    );
    connection.pragma("max_page_count = 1000000");
    fill();
    expect(connection.preparePlucked("SELECT count(*) FROM observed").get()).toBe(2);
    connection.close();
  });

  it("says that a read-only database cannot be written", () => {
    const file = madeDatabase(0);
    const connection = new Connection(file, { readonly: true, busyTimeout: 0 });
    const insert = connection.prepare("INSERT INTO observed (name, json, at) VALUES ('x', '', 1)");
    expect(() => insert.run()).toThrow(
      expect.objectContaining({ code: "GW_008", details: expect.stringContaining("read-only") }),
    );
    connection.close();
  });

  it("reports damage that is found later as damage", () => {
    const file = madeDatabase(100_000);
    // Above the size that is checked whole at start; the last page belongs to the audit table.
    expect(statSync(file).size).toBeGreaterThan(16 * 1024 * 1024);
    overwrite(file, statSync(file).size - 4096, Buffer.alloc(4096, 0xa5));
    const store = openTestStore(file);
    expect(() => store.audit.last(50)).toThrow(withCode("GW_005"));
  });
});
