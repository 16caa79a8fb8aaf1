import { once } from "node:events";
import { runInNewContext } from "node:vm";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import * as fc from "fast-check";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { createSharedMemory, type SharedMemory } from "../../src/daemon/shared-memory/layout.ts";
import { reclaimThread } from "../../src/daemon/shared-memory/reclaim.ts";
import { GatewayError } from "../../src/errors.ts";
import { type Claim, ConcurrencyGate, type GateLimits } from "../../src/limits/concurrency.ts";
import { eventually } from "../support/eventually.ts";
import type { GateThreadStart } from "../support/gate-thread.ts";

function gatesOf(threads: number, limits: Partial<GateLimits> = {}) {
  const memory = createSharedMemory(threads);
  const max = limits.max ?? 1;
  const all = {
    max,
    maxPerCaller: max,
    maxPerSandbox: max,
    maxPending: 100,
    maxPendingPerCaller: 100,
    maxAgeMs: 60_000,
    targetMs: 60_000,
    ...limits,
  };
  const gates = Array.from(
    { length: threads },
    (_, thread) => new ConcurrencyGate({ words: memory.slots, thread, threads, limits: all }),
  );
  return { memory, gates, gate: gates[0] as ConcurrencyGate, other: gates[1] as ConcurrencyGate };
}

const NOBODY: Claim = { callerKey: null, sandboxKey: null };
const never = new AbortController().signal;

/** How one caller fares at a gate. */
class Caller {
  state: "waiting" | "admitted" | GatewayError = "waiting";
  readonly #leave = new AbortController();

  constructor(gate: ConcurrencyGate, onAdmitted: () => void = () => undefined) {
    gate.acquire(NOBODY, this.#leave.signal).then(
      () => {
        this.state = "admitted";
        onAdmitted();
      },
      (error: GatewayError) => void (this.state = error),
    );
  }

  leave(): void {
    this.#leave.abort();
  }
}

/** Until everything that was handed from thread to thread has arrived. */
async function settled({ slots }: SharedMemory): Promise<void> {
  await eventually("all grants are picked up", () => slots.granted.every((word) => word === 0));
  await new Promise((resolve) => setImmediate(resolve));
}

const refusal = (code: string, fields: object = {}) => expect.objectContaining({ code, ...fields });

afterEach(() => void vi.useRealTimers());

describe("a slot", () => {
  test("is there until all are taken, and again after a release", () => {
    const { gate } = gatesOf(1, { max: 2 });
    expect([gate.tryAcquire(NOBODY), gate.tryAcquire(NOBODY), gate.tryAcquire(NOBODY)]).toEqual([true, true, false]);
    expect(gate.taken).toBe(2);
    gate.release(NOBODY);
    expect(gate.tryAcquire(NOBODY)).toBe(true);
  });

  test("is not given to a newcomer while somebody waits", async () => {
    const { gate, other, memory } = gatesOf(2);
    gate.tryAcquire(NOBODY);
    const waiting = new Caller(other);
    gate.release(NOBODY);
    expect(gate.tryAcquire(NOBODY)).toBe(false);
    await settled(memory);
    expect(waiting.state).toBe("admitted");
  });

  test("goes to the oldest caller of a thread", async () => {
    const { gate, memory } = gatesOf(1);
    gate.tryAcquire(NOBODY);
    const order: number[] = [];
    for (const name of [1, 2, 3]) {
      void new Caller(gate, () => {
        order.push(name);
        gate.release(NOBODY);
      });
    }
    gate.release(NOBODY);
    await settled(memory);
    expect(order).toEqual([1, 2, 3]);
    expect(gate.taken).toBe(0);
  });

  test("that one thread gives back wakes a caller of another", async () => {
    const { gate, other } = gatesOf(2);
    gate.tryAcquire(NOBODY);
    const admitted = other.acquire(NOBODY, never);
    gate.release(NOBODY);
    await admitted;
    expect(gate.taken).toBe(1);
    expect(gate.pending).toBe(0);
  });

  test("goes round the threads that wait", async () => {
    const { gates, gate, memory } = gatesOf(3);
    gate.tryAcquire(NOBODY);
    const order: number[] = [];
    for (const [thread, one] of gates.entries()) {
      for (let caller = 0; caller < 3; caller++) {
        void new Caller(one, () => {
          order.push(thread);
          one.release(NOBODY);
        });
      }
    }
    gate.release(NOBODY);
    await eventually("all have had their turn", () => order.length === 9);
    await settled(memory);
    for (const turns of [order.slice(0, 3), order.slice(3, 6), order.slice(6, 9)])
      expect(turns.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
  });

  test("handed to a thread whose callers have all left goes on to the next", async () => {
    const { gates, gate, memory } = gatesOf(3);
    const [, second, third] = gates as [ConcurrencyGate, ConcurrencyGate, ConcurrencyGate];
    gate.tryAcquire(NOBODY);
    // Whose turn it is counts up with each release: the first goes to the caller's own thread, the next to the second.
    const own = new Caller(gate);
    const leaving = new Caller(second);
    const staying = new Caller(third);
    gate.release(NOBODY);
    await settled(memory);
    expect(own.state).toBe("admitted");
    gate.release(NOBODY);
    leaving.leave();
    await settled(memory);
    await eventually("the one who stayed has it", () => staying.state === "admitted");
    expect(gate.taken).toBe(1);
  });

  test("handed to a thread that stopped waiting long ago is not lost", async () => {
    const { gate, other, memory } = gatesOf(2);
    gate.tryAcquire(NOBODY);
    await new Promise<void>((resolve) => {
      void new Caller(other, resolve);
      gate.release(NOBODY);
    });
    other.release(NOBODY);
    await settled(memory);
    // What a thread does that saw a caller waiting a moment before it was served by somebody else.
    expect(gate.tryAcquire(NOBODY)).toBe(true);
    Atomics.sub(memory.slots.held, 0, 1);
    const word = memory.slots.stride;
    Atomics.add(memory.slots.granted, word, 1);
    Atomics.notify(memory.slots.granted, word);
    await eventually("the slot is free again", () => gate.taken === 0);
    expect(gate.tryAcquire(NOBODY)).toBe(true);
  });

  test("costs the hot path no memory", () => {
    const { gate } = gatesOf(4, { max: 2 });
    setFlagsFromString("--expose-gc");
    const collectGarbage: () => void = runInNewContext("gc");
    const run = (times: number): void => {
      for (let time = 0; time < times; time++) if (gate.tryAcquire(NOBODY)) gate.release(NOBODY);
    };
    run(20_000);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    run(100_000);
    // One object of the smallest size a call would be 1.6 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(400_000);
    expect(gate.taken).toBe(0);
  });
});

describe("the queue", () => {
  test("has a length: one more is refused at once and told when to come back", async () => {
    const { gate, other, memory } = gatesOf(2, { maxPending: 2 });
    gate.tryAcquire(NOBODY);
    const waiting = [new Caller(gate), new Caller(other)];
    await expect(other.acquire(NOBODY, never)).rejects.toEqual(
      refusal("RATE_002", { retryAfter: 1, details: "The queue is full" }),
    );
    expect(gate.pending).toBe(2);
    gate.release(NOBODY);
    await eventually("somebody is admitted", () => waiting.some(({ state }) => state === "admitted"));
    await settled(memory);
    expect(gate.pending).toBe(1);
    void new Caller(other);
    expect(gate.pending).toBe(2);
  });

  test("may have no length at all", async () => {
    const { gate } = gatesOf(1, { maxPending: 0 });
    expect(gate.tryAcquire(NOBODY)).toBe(true);
    await expect(gate.acquire(NOBODY, never)).rejects.toEqual(refusal("RATE_002"));
  });

  test("has an age: who has waited too long is refused, who came later is not", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const { gate, memory } = gatesOf(1, { maxAgeMs: 1000 });
    gate.tryAcquire(NOBODY);
    const first = new Caller(gate);
    vi.advanceTimersByTime(600);
    const second = new Caller(gate);
    vi.advanceTimersByTime(399);
    await settled(memory);
    expect(first.state).toBe("waiting");
    vi.advanceTimersByTime(1);
    await settled(memory);
    expect(first.state).toEqual(refusal("RATE_002", { retryAfter: 1, details: "No slot came free in time" }));
    expect(second.state).toBe("waiting");
    expect(gate.pending).toBe(1);
    vi.advanceTimersByTime(600);
    await settled(memory);
    expect(second.state).toEqual(refusal("RATE_002"));
    expect(gate.pending).toBe(0);
  });

  test("is left by a caller that goes away, who then gets no slot", async () => {
    const { gate, memory } = gatesOf(1);
    gate.tryAcquire(NOBODY);
    const leaving = new Caller(gate);
    const staying = new Caller(gate);
    leaving.leave();
    expect(gate.pending).toBe(1);
    gate.release(NOBODY);
    await settled(memory);
    expect(leaving.state).toEqual(refusal("PROXY_005"));
    expect(staying.state).toBe("admitted");
    gate.release(NOBODY);
    expect(gate.taken).toBe(0);
  });

  test("is not entered by a caller that has gone already", async () => {
    const { gate } = gatesOf(1);
    await expect(gate.acquire(NOBODY, AbortSignal.abort())).rejects.toEqual(refusal("PROXY_005"));
    expect(gate.pending).toBe(0);
    expect(gate.taken).toBe(0);
  });

  test("does not notice a caller that goes away after it was admitted", async () => {
    const { gate } = gatesOf(1);
    const caller = new Caller(gate);
    await eventually("admitted", () => caller.state === "admitted");
    caller.leave();
    expect([gate.taken, gate.pending]).toEqual([1, 0]);
    gate.release(NOBODY);
    expect(gate.taken).toBe(0);
  });
});

describe("when a thread dies", () => {
  test("its slots, its waiting callers and what was handed to it are given back", () => {
    const { gate, other, memory } = gatesOf(2, { max: 3 });
    other.tryAcquire(NOBODY);
    other.tryAcquire(NOBODY);
    gate.tryAcquire(NOBODY);
    void new Caller(other);
    gate.release(NOBODY); // handed to the other thread, which dies before it picks it up
    expect(gate.taken).toBe(3);
    reclaimThread(memory, 1);
    expect([gate.taken, gate.pending]).toEqual([0, 0]);
  });

  test("its slots go to who waits on other threads", async () => {
    const { gate, other, memory } = gatesOf(2, { max: 2 });
    other.tryAcquire(NOBODY);
    other.tryAcquire(NOBODY);
    const waiting = [new Caller(gate), new Caller(gate), new Caller(gate)];
    reclaimThread(memory, 1);
    expect(gate.tryAcquire(NOBODY)).toBe(false); // the slots are free, but not for newcomers
    await eventually("two are admitted", () => waiting.filter(({ state }) => state === "admitted").length === 2);
    expect([gate.taken, gate.pending]).toEqual([2, 1]);
  });

  test("the thread that takes its place picks up what was handed to it too late", async () => {
    const { gate, memory } = gatesOf(2, { max: 1 });
    const { slots } = memory;
    gate.tryAcquire(NOBODY);
    reclaimThread(memory, 1);
    Atomics.sub(slots.held, 0, 1);
    Atomics.add(slots.granted, slots.stride, 1);
    const limits = {
      max: 1,
      maxPerCaller: 1,
      maxPerSandbox: 1,
      maxPending: 1,
      maxPendingPerCaller: 1,
      maxAgeMs: 1000,
      targetMs: 1000,
    };
    void new ConcurrencyGate({ words: slots, thread: 1, threads: 2, limits });
    await eventually("the slot is free", () => gate.taken === 0);
    expect(gate.pending).toBe(0);
  });
});

type Step =
  | { readonly kind: "arrive" | "release" | "leave"; readonly thread: number; readonly pick: number }
  | { readonly kind: "age"; readonly ms: number }
  | { readonly kind: "settle" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("arrive" as const, "arrive" as const, "release" as const, "leave" as const),
    thread: fc.nat(2),
    pick: fc.nat(9),
  }),
  fc.record({ kind: fc.constant("age" as const), ms: fc.integer({ min: 1, max: 600 }) }),
  fc.constant({ kind: "settle" as const }),
);

/** What callers on three threads hold and wait for, kept apart from the gate's own words. */
class Crowd {
  readonly violations: string[] = [];
  readonly held = [0, 0, 0];
  readonly waiting: Caller[][] = [[], [], []];
  #arrived = 0;
  readonly #last = [0, 0, 0];
  readonly #gates: readonly ConcurrencyGate[];
  readonly #max: number;

  constructor(gates: readonly ConcurrencyGate[], max: number) {
    this.#gates = gates;
    this.#max = max;
  }

  get inside(): number {
    return this.held.reduce((sum, count) => sum + count, 0);
  }

  take(thread: number): void {
    this.held[thread] = (this.held[thread] as number) + 1;
    if (this.inside > this.#max) this.violations.push(`${this.inside} inside`);
  }

  arrive(thread: number): void {
    const gate = this.#gates[thread] as ConcurrencyGate;
    if (gate.tryAcquire(NOBODY)) return this.take(thread);
    this.#arrived += 1;
    const number = this.#arrived;
    const caller = new Caller(gate, () => {
      this.take(thread);
      if (number < (this.#last[thread] as number)) this.violations.push(`${number} overtaken`);
      this.#last[thread] = number;
    });
    this.waiting[thread]?.push(caller);
  }

  release(thread: number): void {
    if (this.held[thread] === 0) return;
    this.held[thread] = (this.held[thread] as number) - 1;
    this.#gates[thread]?.release(NOBODY);
  }

  leave(thread: number, pick: number): void {
    const there = (this.waiting[thread] ?? []).filter(({ state }) => state === "waiting");
    there[pick % Math.max(1, there.length)]?.leave();
  }

  count(): { admitted: number; waiting: number } {
    const waiting = this.waiting.flat().filter(({ state }) => state === "waiting").length;
    return { admitted: this.inside, waiting };
  }
}

describe("over any sequence of arrivals, releases, departures and waits", () => {
  test("no more than max are inside, none idle beside a queue, first come first served, and all comes back", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 40 }), async (max, steps) => {
        vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
        const { gates, gate, memory } = gatesOf(3, { max, maxPending: 6, maxAgeMs: 1000 });
        const crowd = new Crowd(gates, max);
        const settle = async (): Promise<void> => {
          await settled(memory);
          const { admitted, waiting } = crowd.count();
          expect([gate.taken, gate.pending]).toEqual([admitted, waiting]);
          expect(waiting).toBeLessThanOrEqual(6);
          expect(waiting > 0 && admitted < max).toBe(false);
          expect(crowd.violations).toEqual([]);
        };
        for (const one of steps) {
          if (one.kind === "settle") await settle();
          else if (one.kind === "age") vi.advanceTimersByTime(one.ms);
          else if (one.kind === "leave") crowd.leave(one.thread, one.pick);
          else crowd[one.kind](one.thread);
        }
        await settle();
        while (crowd.inside > 0) {
          for (const thread of [0, 1, 2]) crowd.release(thread);
          await settle();
        }
        expect([gate.taken, gate.pending]).toEqual([0, 0]);
        expect(memory.slots.held.every((word) => word === 0)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});

function startThread(start: GateThreadStart): Worker {
  const worker = new Worker(new URL("../support/gate-thread.ts", import.meta.url), { workerData: start });
  onTestFinished(async () => void (await worker.terminate()));
  return worker;
}

async function until(worker: Worker, wanted: string): Promise<void> {
  for (let seen = ""; seen !== wanted; ) [seen] = (await once(worker, "message")) as [string];
}

describe("real threads", () => {
  test("never have more than max inside, and lose no wake-up in 10,000 turns", async () => {
    const memory = createSharedMemory(2);
    const inside = new SharedArrayBuffer(8);
    const start = { memory: memory.buffer, inside, threads: 2, max: 4, callers: 5, rounds: 1000, hoard: false };
    const workers = [0, 1].map((thread) => startThread({ ...start, thread }));
    await Promise.all(workers.map((worker) => until(worker, "done")));
    const [now, most] = new Int32Array(inside);
    expect(now).toBe(0);
    expect(most).toBe(4);
    // A grant may still be on its way to a thread whose callers have had enough; that thread passes it on.
    await eventually("every slot is free", () => memory.slots.shared[0] === 0);
    expect([...memory.slots.waiting, ...memory.slots.granted, ...memory.slots.held].every((word) => word === 0)).toBe(
      true,
    );
  });

  test("that die leave their slots to the others", async () => {
    const { memory, gate } = gatesOf(2, { max: 2 });
    const inside = new SharedArrayBuffer(8);
    const start = { memory: memory.buffer, inside, threads: 2, max: 2, callers: 5, rounds: 1, hoard: true };
    const hoarder = startThread({ ...start, thread: 1 });
    await until(hoarder, "started");
    expect([gate.taken, gate.pending]).toEqual([2, 3]);
    const admitted = gate.acquire(NOBODY, never);
    await hoarder.terminate();
    reclaimThread(memory, 1);
    await admitted;
    expect([gate.taken, gate.pending]).toEqual([1, 0]);
  });
});
