import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { AuditChain } from "../../src/audit/chain.ts";
import { findLoss, HeadKeeper, keepHead, readKeptHead, writeKeptHead } from "../../src/audit/kept-head.ts";
import { eventually } from "../support/eventually.ts";
import { openTestStore } from "../support/stores.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const KEY = Buffer.alloc(32, 7);

/** A chain in a database of its own, and where its head is kept. */
function startChain(key = KEY) {
  const folder = temporaryFolder();
  const store = openTestStore(join(folder, "test.db"));
  const chain = new AuditChain({ table: store.audit, key });
  const append = (...records: string[]): void => {
    store.audit.transaction(() => chain.append(records.join("\n"), records.length));
  };
  const place = { file: join(folder, "audit.head"), log: join(folder, "test.db-wal") };
  return { ...place, place, table: store.audit, chain, append };
}

function startKeeper({ place, table: audit, chain }: ReturnType<typeof startChain>) {
  const errors: unknown[] = [];
  const keeper = new HeadKeeper({
    place,
    audit,
    chain,
    kept: undefined,
    onError: (error) => void errors.push(error),
  });
  onTestFinished(() => keeper.stop());
  return { keeper, errors };
}

describe("the kept head", () => {
  test("is the chain's, kept by itself within a second or two, readable by its owner only, and leaves no draft", async () => {
    const chain = startChain();
    const { keeper, errors } = startKeeper(chain);
    keeper.start();
    chain.append("1", "2");
    await eventually("it is kept", () => existsSync(chain.file));
    expect(readKeptHead(chain.file)).toEqual(chain.table.head());
    expect(statSync(chain.file).mode & 0o777).toBe(0o600);
    chain.append("3");
    await keeper.stop();
    expect(readKeptHead(chain.file)).toMatchObject({ seq: 3 });
    expect(readdirSync(dirname(chain.file)).filter((name) => name.startsWith("."))).toEqual([]);
    expect(errors).toEqual([]);
  });

  test("is none before the first record, and no file is made for it", async () => {
    const chain = startChain();
    await startKeeper(chain).keeper.stop();
    expect(readKeptHead(chain.file)).toBeUndefined();
  });

  test("that cannot be written is told once, and kept as soon as it can be", async () => {
    const chain = startChain();
    const { keeper, errors } = startKeeper(chain);
    chain.append("1");
    const draft = join(dirname(chain.file), `.audit.head.${process.pid}`);
    mkdirSync(draft); // where it would be written: refuses whoever tries, root too
    await keeper.beat();
    await keeper.beat();
    expect(errors).toHaveLength(1);
    rmdirSync(draft);
    await keeper.beat();
    expect(readKeptHead(chain.file)).toMatchObject({ seq: 1 });
  });

  test("is still the last one when the chain was put back meanwhile: it shows what is missing then", async () => {
    const started = startChain();
    const { file, table, append } = started;
    const { keeper, errors } = startKeeper(started);
    append("1");
    const early = table.head();
    if (early === undefined) throw new Error("no head");
    append("2");
    await keeper.beat();
    const cut = new Database(join(dirname(file), "test.db"));
    cut.exec(
      `DELETE FROM audit WHERE seq > 1; UPDATE audit_head SET seq = 1, hash = '${early.hash}', mac = '${early.mac}'`,
    );
    cut.close();
    append("x");
    append("3");
    await keeper.beat();
    await keeper.stop();
    expect(readKeptHead(file)).toMatchObject({ seq: 2 });
    expect(errors).toEqual([expect.objectContaining({ code: "GW_015" })]);
  });

  test("is not kept while its records cannot be brought to the disk, neither by a daemon nor by a command", async () => {
    const started = startChain();
    const place = { ...started.place, log: "/dev/full" }; // refuses to be synced
    started.append("1");
    expect(() => keepHead(place, started.table, started.chain)).toThrow("EINVAL");
    const { keeper, errors } = startKeeper({ ...started, place });
    await keeper.beat();
    expect(errors).toHaveLength(1);
    expect(readKeptHead(place.file)).toBeUndefined();
  });

  test("that cannot be written leaves no draft behind", () => {
    const { file, place } = startChain();
    mkdirSync(file);
    expect(() => writeKeptHead(place, { seq: 1, hash: "", mac: "" })).toThrow("EISDIR");
    expect(readdirSync(dirname(file)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test.each(["", "{", "[]", '{"seq":"1","hash":"","mac":""}'])("that is %j is not understood, and says so", (text) => {
    const { file } = startChain();
    writeFileSync(file, text);
    expect(() => readKeptHead(file)).toThrow(expect.objectContaining({ code: "GW_015" }));
  });
});

describe("what the chain lacks", () => {
  test("is nothing while it grows from the kept head, whoever appends", () => {
    const { file, place, table, chain, append } = startChain();
    append("1", "2");
    writeKeptHead(place, table.head() ?? { seq: 0, hash: "", mac: "" });
    const kept = readKeptHead(file);
    if (kept === undefined) throw new Error("not kept");
    expect(findLoss(kept, table, chain)).toBeUndefined();
    append("3");
    append("4", "5");
    expect(findLoss(kept, table, chain)).toBeUndefined();
  });

  test("is what the kept head has beyond its end", () => {
    const { table, chain, append } = startChain();
    const other = startChain();
    for (const { append: add } of [{ append }, other]) add("1", "2");
    other.append("3", "4");
    const kept = other.table.head();
    expect(kept && findLoss(kept, table, chain)).toBe("records 3 to 4 are missing");
  });

  test("is told when another record stands where the kept head points to", () => {
    const [one, other] = [startChain(), startChain()];
    one.append("1", "2");
    other.append("1");
    other.append("x");
    const kept = other.table.head();
    expect(kept && findLoss(kept, one.table, one.chain)).toBe("record 2 is not the one that was there");
  });

  test("is told when the links differ although as many records are there", () => {
    const [one, other] = [startChain(), startChain()];
    one.append("1");
    one.append("2", "3");
    other.append("1", "2");
    const kept = other.table.head();
    expect(kept && findLoss(kept, one.table, one.chain)).toBe("record 2 is not the one that was there");
  });

  test("is everything when the database has other keys", () => {
    const [one, other] = [startChain(), startChain(Buffer.alloc(32, 8))];
    one.append("1");
    other.append("1");
    const kept = other.table.head();
    expect(kept && findLoss(kept, one.table, one.chain)).toContain("not written with this database's keys");
  });

  test("is nothing when the record of the kept head was dropped for its age", () => {
    const { table, chain, append } = startChain();
    append('{"kind":"proxy","at_ms":1}');
    const kept = table.head();
    append('{"kind":"proxy","at_ms":2}');
    append('{"kind":"proxy","at_ms":9}');
    table.transaction(() => chain.dropBefore(5));
    expect(kept && findLoss(kept, table, chain)).toBeUndefined();
  });
});
