import { join } from "node:path";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { AuditChain } from "../../src/audit/chain.ts";
import { entriesOf } from "../../src/audit/entries.ts";
import { verifyChain } from "../../src/audit/verify.ts";
import { AuditWriter } from "../../src/audit/writer.ts";
import { GatewayError } from "../../src/errors.ts";
import type { AuditHead, AuditLink, AuditLog, AuditTable } from "../../src/store/audit-log.ts";
import { Connection } from "../../src/store/sqlite/engine/connection.ts";
import { openTestStore } from "../support/stores.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const KEY = Buffer.alloc(32, 7);

/** A writer on a real store that can be made to fail, and everything it says. */
function startWriter(log: AuditLog = openTestStore().audit) {
  const disk = { failing: false, transactions: 0 };
  const states: boolean[] = [];
  const causes: unknown[] = [];
  const acknowledged: string[] = [];
  /** What comes back to a thread is noted as `thread:last:written:records in the store`. */
  const threads = new Map<string, (last: number, written: boolean) => void>();
  const acknowledgeTo = (thread: string) => (last: number, written: boolean) =>
    void acknowledged.push(`${thread}:${last}:${written}:${recordsIn(log).length}`);
  const writer = new AuditWriter({
    log: {
      transaction(work) {
        disk.transactions += 1;
        return log.transaction(() => {
          work();
          if (disk.failing) throw new GatewayError("GW_008", { details: "the disk is full" });
        });
      },
    },
    chain: new AuditChain({ table: log, key: KEY }),
    onState(working, cause) {
      states.push(working);
      if (!working) causes.push(cause);
    },
  });
  return {
    log,
    writer,
    disk,
    states,
    causes,
    acknowledged,
    /** Hands in records of a thread, the last of which has the number `last`. */
    accept: (thread: string, last: number, ...records: string[]): void => {
      const acknowledge = threads.get(thread) ?? acknowledgeTo(thread);
      threads.set(thread, acknowledge);
      writer.accept({ last, count: records.length, lines: records.join("\n") }, acknowledge);
    },
  };
}

function recordsIn(log: AuditLog): string[] {
  return entriesOf(log.after(0, 1_000_000)).map(({ record }) => record);
}

const linksIn = (log: AuditLog) => log.after(0, 100).map(({ seq, count }) => [seq, count]);

const manyRecords = (count: number) => Array.from({ length: count }, (_, index) => String(index));

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Timers only: turns of the event loop stay real. */
const stopClock = () => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });

afterEach(() => void vi.useRealTimers());

describe("what arrives in one turn", () => {
  test("is committed as one transaction, then acknowledged once to each thread", async () => {
    const { accept, acknowledged, disk, log, states } = startWriter();
    accept("a", 2, "1", "2");
    accept("b", 1, "3");
    accept("a", 3, "4");
    expect(acknowledged).toEqual([]);
    await turn();
    expect(acknowledged).toEqual(["a:3:true:4", "b:1:true:4"]);
    expect(recordsIn(log)).toEqual(["1", "2", "3", "4"]);
    expect(disk.transactions).toBe(1);
    expect(states).toEqual([]);
  });

  test("continues the chain of the turn before, also when another process has written in between", async () => {
    const { accept, log } = startWriter();
    accept("a", 1, "1");
    await turn();
    log.transaction(() => new AuditChain({ table: log, key: KEY }).append("2", 1));
    accept("a", 3, "3", "4");
    await turn();
    expect(recordsIn(log)).toEqual(["1", "2", "3", "4"]);
    expect(verifyChain({ table: log, key: KEY, hasHistory: false })).toMatchObject({ intact: true, records: 4 });
  });

  test("is committed together with what arrives within a millisecond when the turn before was a busy one", async () => {
    stopClock();
    const { accept, acknowledged, disk } = startWriter();
    accept("a", 4, "1", "2", "3", "4");
    await turn();
    accept("a", 5, "5");
    await turn();
    accept("b", 1, "6");
    vi.advanceTimersByTime(1);
    expect(acknowledged).toEqual(["a:4:true:4", "a:5:true:6", "b:1:true:6"]);
    expect(disk.transactions).toBe(2);
    accept("a", 6, "7"); // two came last time: nobody waits any more
    await turn();
    expect(acknowledged.at(-1)).toBe("a:6:true:7");
  });
});

/** A writer on a store that somebody else has locked. */
function startLocked() {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const file = join(temporaryFolder(), "sandboxgw.db");
  const started = startWriter(openTestStore(file).audit);
  const other = new Connection(file, { busyTimeout: 0 });
  onTestFinished(() => other.close());
  other.begin();
  return { ...started, other };
}

describe("while another process writes", () => {
  test("responses wait for it, and the thread does not", async () => {
    const { accept, acknowledged, log, other, states } = startLocked();
    const startedAt = Date.now();
    accept("a", 1, "1");
    await turn();
    accept("b", 1, "2");
    vi.advanceTimersByTime(4_000);
    expect(Date.now() - startedAt).toBeLessThan(2_000);
    expect(acknowledged).toEqual([]);
    other.rollback();
    vi.advanceTimersByTime(2);
    expect(acknowledged).toEqual(["a:1:true:2", "b:1:true:2"]);
    expect(recordsIn(log)).toEqual(["1", "2"]);
    expect(states).toEqual([]);
  });

  test("for five seconds, that is a refusal like any other", async () => {
    const { accept, acknowledged, causes, log, other, states } = startLocked();
    accept("a", 1, "1");
    await turn();
    vi.advanceTimersByTime(5_010);
    expect(acknowledged).toEqual(["a:1:false:0"]);
    expect(causes).toEqual([expect.objectContaining({ code: "GW_008" })]);
    other.rollback();
    vi.advanceTimersByTime(250);
    expect(states).toEqual([false, true]);
    expect(recordsIn(log)).toEqual(["1"]);
  });

  test("a writer that closes waits for it", async () => {
    const { accept, acknowledged, other, writer } = startLocked();
    accept("a", 1, "1");
    const closed = writer.close();
    for (let turns = 0; turns < 5; turns += 1) await turn();
    other.rollback();
    expect(await closed).toBe(0);
    expect(acknowledged).toEqual(["a:1:true:1"]);
  });
});

describe("while the store refuses", () => {
  test("responses are told so, and the records are written later, in order, before newer ones", async () => {
    stopClock();
    const { accept, acknowledged, disk, log, states } = startWriter();
    accept("a", 1, "1");
    await turn();
    disk.failing = true;
    accept("a", 3, "2", "3");
    accept("b", 1, "4");
    await turn();
    accept("a", 4, "5");
    await turn();
    expect(acknowledged).toEqual(["a:1:true:1", "a:3:false:1", "b:1:false:1", "a:4:false:1"]);
    vi.advanceTimersByTime(1000);
    expect(states).toEqual([false]);
    disk.failing = false;
    accept("b", 2, "6"); // before the next attempt: still behind the others
    await turn();
    expect(acknowledged.at(-1)).toBe("b:2:false:1");
    vi.advanceTimersByTime(250);
    expect(states).toEqual([false, true]);
    accept("a", 5, "7");
    await turn();
    expect(acknowledged.at(-1)).toBe("a:5:true:7");
    expect(recordsIn(log)).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
    expect(verifyChain({ table: log, key: KEY, hasHistory: false })).toMatchObject({ intact: true, records: 7 });
  });

  test("each outage is told once, with its cause", async () => {
    stopClock();
    const { accept, disk, states, causes } = startWriter();
    for (const outage of [1, 2]) {
      disk.failing = true;
      for (const record of ["a", "b"]) {
        accept("a", 1, record);
        await turn();
      }
      vi.advanceTimersByTime(5000);
      disk.failing = false;
      vi.advanceTimersByTime(250);
      expect(states).toHaveLength(2 * outage);
    }
    expect(states).toEqual([false, true, false, true]);
    expect(causes).toEqual(Array(2).fill(expect.objectContaining({ code: "GW_008", details: "the disk is full" })));
  });

  test("no more is kept than 100,000 records, the oldest; what is dropped is counted, told, and recorded behind them", async () => {
    stopClock();
    const table = new Links();
    let failing = true;
    let now = 5;
    let told = 0;
    const writer = new AuditWriter({
      log: {
        transaction(work) {
          if (failing) throw new Error("full");
          work();
          return true;
        },
      },
      chain: new AuditChain({ table, key: KEY }),
      onState: () => undefined,
      onDropped: () => void (told += 1),
      now: () => now,
    });
    const lines = Array.from({ length: 40_000 }, (_, index) => String(index)).join("\n");
    const accept = async (last: number, count: number): Promise<void> => {
      writer.accept({ last, count, lines: count === 1 ? "{}" : lines }, () => undefined);
      await turn();
      vi.advanceTimersByTime(1);
      now += 1;
    };
    for (const last of [40_000, 80_000, 120_000]) await accept(last, 40_000);
    await accept(120_001, 1); // would find room, but then nobody could say what lies between what
    expect({ told, dropped: writer.dropped }).toEqual({ told: 1, dropped: 40_001 });
    failing = false;
    vi.advanceTimersByTime(250);
    await accept(120_002, 1);
    expect(table.links.map(({ seq, count }) => [seq, count])).toEqual([
      [40_000, 40_000],
      [80_000, 40_000],
      [80_001, 1],
      [80_002, 1],
    ]);
    const loss = { kind: "loss", at_ms: 9, records: 40_001, from_ms: 7, until_ms: 8 };
    expect(JSON.parse(table.links[2]?.lines ?? "")).toEqual(loss);
    expect({ told, dropped: writer.dropped }).toEqual({ told: 1, dropped: 40_001 });
  });

  test("nothing is acknowledged while what the store takes would be lost", async () => {
    const { audit: log } = openTestStore();
    const acknowledged: boolean[] = [];
    let gone = true;
    const writer = new AuditWriter({
      log,
      chain: new AuditChain({ table: log, key: KEY }),
      onState: () => undefined,
      requireWritable() {
        if (gone) throw new GatewayError("GW_008", { details: "moved away" });
      },
    });
    writer.accept({ last: 1, count: 1, lines: "1" }, (_, written) => void acknowledged.push(written));
    await turn();
    expect(acknowledged).toEqual([false]);
    expect(recordsIn(log)).toEqual([]);
    gone = false;
    expect(await writer.close()).toBe(0);
    expect(recordsIn(log)).toEqual(["1"]);
  });
});

describe("a link of the chain", () => {
  test("holds what was committed together", async () => {
    const { accept, log } = startWriter();
    accept("a", 2, "1", "2");
    accept("b", 1, "3");
    await turn();
    accept("a", 3, "4");
    await turn();
    expect(linksIn(log)).toEqual([
      [3, 3],
      [4, 1],
    ]);
  });

  test("is closed before it would hold more than 1,000 records, in the same transaction", async () => {
    const { accept, log, disk } = startWriter();
    for (const last of [400, 800, 1200, 1400]) accept("a", last, ...manyRecords(last === 1400 ? 200 : 400));
    await turn();
    expect(disk.transactions).toBe(1);
    expect(linksIn(log)).toEqual([
      [800, 800],
      [1400, 600],
    ]);
    expect(recordsIn(log)).toEqual([400, 400, 400, 200].flatMap(manyRecords));
    expect(verifyChain({ table: log, key: KEY, hasHistory: false })).toMatchObject({ intact: true, records: 1400 });
  });

  test("puts together what came bit by bit while the store refused", async () => {
    stopClock();
    const { accept, log, disk } = startWriter();
    disk.failing = true;
    for (const last of [1, 2, 3]) {
      accept("a", last, String(last));
      await turn();
    }
    disk.failing = false;
    vi.advanceTimersByTime(250);
    expect(linksIn(log)).toEqual([[3, 3]]);
    expect(recordsIn(log)).toEqual(["1", "2", "3"]);
  });
});

describe("close", () => {
  test("writes what has arrived and acknowledges it", async () => {
    const { accept, writer, acknowledged } = startWriter();
    accept("a", 2, "1", "2");
    await writer.close();
    expect(acknowledged).toEqual(["a:2:true:2"]);
  });

  test("writes what was kept during an outage, once, and leaves no timer", async () => {
    stopClock();
    const { accept, writer, disk, log, acknowledged } = startWriter();
    disk.failing = true;
    accept("a", 1, "1");
    await turn();
    accept("a", 2, "2");
    disk.failing = false;
    await writer.close();
    await writer.close();
    vi.advanceTimersByTime(1000);
    expect(vi.getTimerCount()).toBe(0);
    expect(recordsIn(log)).toEqual(["1", "2"]);
    expect(acknowledged).toEqual(["a:1:false:0", "a:2:false:0"]);
    expect(verifyChain({ table: log, key: KEY, hasHistory: false })).toMatchObject({ intact: true, records: 2 });
  });

  test("does not fail when the store still refuses, says how many records are lost, and leaves no timer", async () => {
    stopClock();
    const { accept, writer, disk, states, acknowledged } = startWriter();
    disk.failing = true;
    accept("a", 1, "1");
    expect(await writer.close()).toBe(1);
    expect(acknowledged).toEqual(["a:1:false:0"]);
    expect(states).toEqual([false]);
    await turn();
    expect(vi.getTimerCount()).toBe(0);
  });
});

/** An audit table as plain data. */
class Links implements AuditTable {
  readonly links: AuditLink[] = [];
  #head: AuditHead | undefined;

  head(): AuditHead | undefined {
    return this.#head;
  }
  setHead(head: AuditHead): void {
    this.#head = head;
  }
  insert(link: AuditLink): void {
    this.links.push(link);
  }
  anchor(): undefined {
    return undefined;
  }
  setAnchor(): void {}
  drop(): void {}
  after(): AuditLink[] {
    return [];
  }
  last(): AuditLink[] {
    return [];
  }
}
