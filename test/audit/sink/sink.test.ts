import { appendFileSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AuditChain } from "../../../src/audit/chain.ts";
import { lastLineOf } from "../../../src/audit/sink/last-line.ts";
import { AuditSink } from "../../../src/audit/sink/sink.ts";
import { verifyChain } from "../../../src/audit/verify.ts";
import { mayMount, mountSmallDisk } from "../../support/small-disk.ts";
import { openTestStore } from "../../support/stores.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const KEY = Buffer.alloc(32, 7);

/** A chain, and a sink that writes it to `file`. */
function started(file = join(temporaryFolder(), "audit.ndjson")) {
  const store = openTestStore();
  const chain = new AuditChain({ table: store.audit, key: KEY });
  const errors: unknown[] = [];
  const open = () =>
    new AuditSink({ file, log: store.audit, last: lastLineOf(file), onError: (error) => void errors.push(error) });
  let number = 0;
  const append = (count = 1, padding = ""): void => {
    const lines = Array.from({ length: count }, () => `{"kind":"proxy","at_ms":1,"n":${++number}${padding}}`).join(
      "\n",
    );
    store.audit.transaction(() => chain.append(lines, count));
  };
  const written = (of = file) =>
    readFileSync(of, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => (JSON.parse(line) as { n: number }).n);
  return { file, store, chain, errors, open, append, written };
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe("the sink", () => {
  test("writes each record once, a line each, with its number and the hash of its link, for its owner alone", async () => {
    const { file, store, open, append, written } = started();
    const sink = open();
    append(3);
    await sink.beat();
    append();
    await sink.beat();
    await sink.beat();
    await sink.stop();
    expect(written()).toEqual(upTo(4));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const [, { seq, hash } = { seq: 0, hash: "" }] = store.audit.last(10);
    expect(lastLineOf(file)).toEqual({ seq, hash });
    expect(JSON.parse(readFileSync(file, "utf8").split("\n")[0] as string)).toMatchObject({
      seq: 1,
      kind: "proxy",
      n: 1,
    });
  });

  test("goes on where it was after a restart, also behind half a line", async () => {
    const { file, open, append, written } = started();
    append(2);
    const before = open();
    await before.stop();
    appendFileSync(file, '{"seq":3,"hash":"ab');
    append();
    const after = open();
    await after.stop();
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines[2]).toBe('{"seq":3,"hash":"ab');
    writeFileSync(file, [...lines.slice(0, 2), ...lines.slice(3), ""].join("\n"));
    expect(written()).toEqual(upTo(3));
  });

  test("begins a new file where the old one was moved away, and neither lacks a record", async () => {
    const { file, open, append, written } = started();
    const sink = open();
    append(2);
    await sink.beat();
    renameSync(file, `${file}.1`);
    append(2);
    await sink.stop();
    expect([written(`${file}.1`), written()]).toEqual([upTo(2), upTo(4, 3)]);
  });

  test("says where records were dropped before it had them", async () => {
    const { file, chain, store, open, append } = started();
    append(2);
    const before = open();
    await before.stop();
    for (let link = 0; link < 4; link++) append();
    store.audit.transaction(() => void chain.dropBefore(2));
    const after = open();
    await after.stop();
    const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(2);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { seq: 5, kind: "gap", from: 3 },
      { seq: 6, n: 6 },
    ]);
  });

  test("that cannot be written says so once, and has everything as soon as it can", async () => {
    const file = join(temporaryFolder(), "no/audit.ndjson");
    const { errors, open, append } = started(file);
    const sink = open();
    append(2);
    await sink.beat();
    await sink.beat();
    await sink.stop();
    expect(errors).toHaveLength(1);
  });

  test.skipIf(!mayMount())(
    "on a disk that is full has every record once it has room (skipped where nothing may be mounted)",
    async () => {
      const disk = mountSmallDisk(256 * 1024);
      const { errors, open, append, written } = started(join(disk.folder, "audit.ndjson"));
      const sink = open();
      append();
      await sink.beat();
      disk.fill();
      const padding = `,"path":"${"x".repeat(900)}"`;
      for (let link = 0; link < 20; link++) append(5, padding);
      await sink.beat();
      expect(errors).toHaveLength(1);
      disk.empty();
      await sink.beat();
      append();
      await sink.stop();
      expect(errors).toHaveLength(1);
      expect(written()).toEqual(upTo(102));
    },
  );
});

const verify = ({ store, file }: ReturnType<typeof started>) =>
  verifyChain({ table: store.audit, key: KEY, hasHistory: true, sink: lastLineOf(file) });

describe("a chain", () => {
  test("that was put back to an earlier state, with all that lies beside it, is found by the sink", async () => {
    const now = started();
    now.append(3);
    await now.open().stop();
    expect(verify(now)).toMatchObject({ intact: true });
    const earlier = started(now.file);
    earlier.append(2);
    expect(verify(earlier)).toMatchObject({ intact: false, reason: "records 3 to 3 are missing, which the sink has" });
    earlier.append(2);
    expect(verify(earlier)).toMatchObject({ intact: false, reason: "record 3 is not the one that the sink has" });
  });

  test("beside a sink that ends in no record is not gone on with", async () => {
    const { file, append, open } = started();
    append();
    await open().stop();
    truncateSync(file, 10);
    expect(lastLineOf(file)).toBeUndefined();
    writeFileSync(file, "something else\n");
    expect(() => lastLineOf(file)).toThrow(expect.objectContaining({ code: "GW_015" }));
  });
});
