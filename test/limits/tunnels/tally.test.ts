import { once } from "node:events";
import { Worker } from "node:worker_threads";
import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { createSharedMemory } from "../../../src/daemon/shared-memory/layout.ts";
import { reclaimThread } from "../../../src/daemon/shared-memory/reclaim.ts";
import { Tally, type TallyWords } from "../../../src/limits/tunnels/tally.ts";
import type { TallyThreadStart } from "../../support/tally-thread.ts";

const words = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(length * 4));

/** A small table, so that keys stand in each other's way. */
function smallTable(places: number, threads: number): TallyWords {
  return {
    turn: words(16),
    keys: new BigInt64Array(new SharedArrayBuffer(places * 8)),
    lanes: Array.from({ length: threads }, () => words(places)),
    totals: Array.from({ length: threads }, () => words(16)),
  };
}

const MANY = 1_000_000;
const one = (key: bigint, most = MANY) => [{ key, most }];

/** Threads at work on the same keys; `stop` tells what they counted. */
async function atWork(threads: number, most: number) {
  const memory = createSharedMemory(threads + 1);
  const keys = Array.from({ length: 6 }, (_, index) => BigInt(index + 1) << 20n); // one home for all
  const seen = new SharedArrayBuffer(64);
  const workers = Array.from({ length: threads }, (_, thread) => {
    const workerData: TallyThreadStart = {
      memory: memory.buffer,
      threads: threads + 1,
      thread,
      most,
      keys,
      seen,
    };
    return new Worker(new URL("../../support/tally-thread.ts", import.meta.url), { workerData });
  });
  onTestFinished(async () => void (await Promise.all(workers.map((worker) => worker.terminate()))));
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const stop = async (running: readonly Worker[]) => {
    const results = Promise.all(running.map((worker) => once(worker, "message")));
    Atomics.store(new Int32Array(seen), 0, 1);
    return (await results).map(([result]) => result as { taken: number; exceeded: number });
  };
  return { memory, keys, workers, stop, tally: new Tally({ words: memory.tunnels, thread: threads }) };
}

describe("a tally", () => {
  test("counts what each thread has under every key, bounded in all and by key", () => {
    const table = smallTable(16, 2);
    const [here, there] = [0, 1].map((thread) => new Tally({ words: table, thread })) as [Tally, Tally];
    const both = [
      { key: 7n, most: 2 },
      { key: 9n, most: 3 },
    ];
    expect([here.take(9, both), there.take(9, both), here.take(9, both)]).toEqual(["counted", "counted", 0]);
    expect([there.take(9, one(9n, 3)), there.take(9, one(9n, 3)), here.take(3, one(1n))]).toEqual([
      "counted",
      0,
      "full",
    ]);
    expect([here.count(7n), here.count(9n), here.total]).toEqual([2, 3, 3]);
    there.release(both);
    expect([here.count(7n), here.count(9n), here.count(1n), here.total]).toEqual([1, 2, 0, 2]);
  });

  test("has no bound for nobody in particular, and no room for more keys than it can find quickly", () => {
    const tally = new Tally({ words: smallTable(16, 1), thread: 0 });
    for (let count = 0; count < 20; count++) expect(tally.take(MANY, one(0n, 1))).toBe("counted");
    const taken = Array.from({ length: 14 }, (_, index) => tally.take(MANY, one(BigInt(index + 1))));
    expect(taken.filter((each) => each === "full")).toHaveLength(2);
  });

  test("is what a plain map would be, whatever is counted, taken back and dropped, in whatever order", () => {
    const step = fc.record({
      thread: fc.nat(2),
      key: fc.bigInt(1n, 40n),
      what: fc.constantFrom("take", "give", "drop"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = smallTable(64, 3);
        const tallies = [0, 1, 2].map((thread) => new Tally({ words: table, thread }));
        const expected = [0, 1, 2].map(() => new Map<bigint, number>());
        for (const { thread, key, what } of steps) {
          const tally = tallies[thread] as Tally;
          const own = expected[thread] as Map<bigint, number>;
          const spread = key * 16n; // four homes for ten keys each
          if (what === "take") {
            if (tally.take(MANY, one(spread)) === "counted") own.set(spread, (own.get(spread) ?? 0) + 1);
          } else if (what === "give" && (own.get(spread) ?? 0) > 0) {
            tally.release(one(spread));
            own.set(spread, (own.get(spread) as number) - 1);
          } else if (what === "drop" && key === 1n) {
            (tallies[0] as Tally).drop(thread);
            own.clear();
          }
          for (let number = 16n; number <= 640n; number += 16n) {
            const sum = expected.reduce((all, map) => all + (map.get(number) ?? 0), 0);
            expect((tallies[1] as Tally).count(number)).toBe(sum);
          }
        }
        expect(table.keys.filter((key) => key !== 0n)).toHaveLength(table.turn[1] as number);
      }),
      { numRuns: 60 },
    );
  });
});

describe("a tally of several threads", () => {
  test("never exceeds a bound, and is empty when all is given back", async () => {
    const { memory, keys, workers, stop, tally } = await atWork(3, 2);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const results = await stop(workers);
    expect(results.map(({ exceeded }) => exceeded)).toEqual([0, 0, 0]);
    for (const { taken } of results) expect(taken).toBeGreaterThan(0);
    expect([tally.total, ...keys.map((key) => tally.count(key))]).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(memory.tunnels.keys.every((key) => key === 0n)).toBe(true);
  });

  test("keeps what is whole when threads are ended in the middle of whatever they do", async () => {
    const { memory, keys, workers, stop, tally } = await atWork(3, MANY);
    const [first, second, last] = workers as [Worker, Worker, Worker];
    for (const key of keys) tally.take(MANY, one(key));
    for (const [thread, worker] of [first, second].entries()) {
      await worker.terminate();
      reclaimThread(memory, thread);
      expect(keys.map((key) => tally.count(key) > 0)).toEqual(keys.map(() => true));
    }
    const [result] = await stop([last]);
    expect(result?.taken).toBeGreaterThan(0);
    expect([tally.total, ...keys.map((key) => tally.count(key))]).toEqual([6, 1, 1, 1, 1, 1, 1]);
  });
});
