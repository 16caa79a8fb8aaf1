import * as fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createSharedMemory, type SharedMemory } from "../../src/daemon/shared-memory/layout.ts";
import { reclaimThread } from "../../src/daemon/shared-memory/reclaim.ts";
import { GatewayError } from "../../src/errors.ts";
import { type Claim, ConcurrencyGate, type GateLimits } from "../../src/limits/concurrency.ts";
import { sketchKey } from "../../src/limits/sketch.ts";
import { eventually } from "../support/eventually.ts";

function gatesOf(threads: number, limits: Partial<GateLimits> = {}) {
  const memory = createSharedMemory(threads);
  const all = {
    max: 8,
    maxPerCaller: 2,
    maxPerSandbox: 8,
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

const WORDS = createSharedMemory(1).slots.heldBy[0]?.length as number;

function claim(caller: string, sandbox?: string): Claim {
  return {
    callerKey: sketchKey("salt", `subject ${caller}`, WORDS),
    sandboxKey: sandbox === undefined ? null : sketchKey("salt", `sandbox ${sandbox}`, WORDS),
  };
}

class Call {
  state: "waiting" | "inside" | "done" | GatewayError = "waiting";
  readonly claim: Claim;
  readonly #gate: ConcurrencyGate;
  readonly #leave = new AbortController();

  constructor(gate: ConcurrencyGate, wanted: Claim, onInside: () => void = () => undefined) {
    this.claim = wanted;
    this.#gate = gate;
    if (gate.tryAcquire(wanted)) {
      this.state = "inside";
      onInside();
      return;
    }
    gate.acquire(wanted, this.#leave.signal).then(
      () => {
        this.state = "inside";
        onInside();
      },
      (error: GatewayError) => void (this.state = error),
    );
  }

  end(): void {
    if (this.state === "waiting") return this.#leave.abort();
    if (this.state !== "inside") return;
    this.state = "done";
    this.#gate.release(this.claim);
  }
}

/** Until everything that was handed or told from thread to thread has arrived. */
async function settled({ slots }: SharedMemory): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    await eventually("all grants are picked up", () => slots.granted.every((word) => word === 0));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const inside = (calls: readonly Call[]): number => calls.filter(({ state }) => state === "inside").length;

afterEach(() => void vi.useRealTimers());

describe("a caller", () => {
  test("gets no more than its share over all threads, and leaves the rest to others", async () => {
    const { gates, gate, memory } = gatesOf(2);
    const greedy = Array.from({ length: 12 }, (_, n) => new Call(gates[n % 2] as ConcurrencyGate, claim("greedy")));
    await settled(memory);
    expect(inside(greedy)).toBe(2);
    expect(gate.tryAcquire(claim("other"))).toBe(true);
    expect(gate.taken).toBe(3);
  });

  test("that waits for its own share is served as soon as one of its calls ends, on whichever thread", async () => {
    const { gate, other, memory } = gatesOf(2);
    const first = [new Call(gate, claim("a")), new Call(gate, claim("a"))];
    const here = new Call(gate, claim("a"));
    const there = new Call(other, claim("a"));
    await settled(memory);
    expect([here.state, there.state]).toEqual(["waiting", "waiting"]);
    for (const call of first) call.end();
    await settled(memory);
    expect([here.state, there.state]).toEqual(["inside", "inside"]);
    expect([gate.taken, gate.pending]).toEqual([2, 0]);
  });

  test("has a part of the queue, so that another finds room in it", async () => {
    const { gate } = gatesOf(1, { max: 1, maxPerCaller: 1, maxPending: 8, maxPendingPerCaller: 2 });
    const greedy = Array.from({ length: 9 }, () => new Call(gate, claim("greedy")));
    await new Promise((resolve) => setImmediate(resolve));
    const refused = greedy.map(({ state }) => state).filter((state) => state instanceof GatewayError);
    expect(refused).toHaveLength(6);
    expect(refused[0]).toMatchObject({
      code: "RATE_002",
      retryAfter: 1,
      details: "This caller's part of the queue is full",
    });
    const other = new Call(gate, claim("other"));
    expect(other.state).toBe("waiting");
  });

  test("with one call waits for one other's call, not for all that the other has waiting", async () => {
    const { gate, memory } = gatesOf(1, { max: 1, maxPerCaller: 1 });
    const order: string[] = [];
    const holder = new Call(gate, claim("holder"));
    const calls = ["many", "many", "many", "many", "one"].map((name) => {
      const call: Call = new Call(gate, claim(name), () => {
        order.push(name);
        setImmediate(() => call.end());
      });
      return call;
    });
    holder.end();
    await eventually("all are served", () => order.length === calls.length);
    await settled(memory);
    expect(order).toEqual(["many", "one", "many", "many", "many"]);
  });
});

describe("a sandbox", () => {
  test("has a share too: the calls to a frozen one leave slots to the others'", async () => {
    const { gate, memory } = gatesOf(1, { max: 8, maxPerCaller: 8, maxPerSandbox: 2 });
    const frozen = Array.from({ length: 6 }, (_, n) => new Call(gate, claim(`caller ${n}`, "frozen")));
    await settled(memory);
    expect(inside(frozen)).toBe(2);
    expect(new Call(gate, claim("caller 5", "healthy")).state).toBe("inside");
  });

  test("that is full does not stand in the way of its caller's calls to another", async () => {
    const { gate, memory } = gatesOf(1, { max: 2, maxPerCaller: 2, maxPerSandbox: 1 });
    const holders = [new Call(gate, claim("a", "one")), new Call(gate, claim("b", "other"))];
    const blocked = new Call(gate, claim("a", "one"));
    const free = new Call(gate, claim("a", "two"));
    holders[1]?.end();
    await settled(memory);
    expect([blocked.state, free.state]).toEqual(["waiting", "inside"]);
  });

  test.each([1, 2])(
    "that is full (%i places) is not kept by one thread: its places go to who waits on another",
    async (share) => {
      const { gate, other, memory } = gatesOf(2, { max: 8, maxPerCaller: 8, maxPerSandbox: share });
      const busy = Array.from({ length: share + 3 }, () => new Call(gate, claim("busy", "box")));
      const lone = new Call(other, claim("lone", "box"));
      await settled(memory);
      for (let ends = 0; ends < 2 && lone.state === "waiting"; ends++) {
        busy.find(({ state }) => state === "inside")?.end();
        busy.push(new Call(gate, claim("busy", "box")));
        await settled(memory);
        expect(inside([...busy, lone])).toBe(share);
      }
      expect(lone.state).toBe("inside");
      lone.end();
      await settled(memory);
      expect(inside(busy)).toBe(share);
    },
  );

  test("that is full goes on when the thread that was offered a place does not answer", async () => {
    const { gate, memory } = gatesOf(2, { max: 8, maxPerCaller: 8, maxPerSandbox: 1 });
    const { slots } = memory;
    const [first, second] = [new Call(gate, claim("a", "box")), new Call(gate, claim("a", "box"))];
    const { sandboxKey } = claim("", "box");
    // What a thread that hangs has in shared memory: a call that waits for the same sandbox.
    Atomics.add(slots.waiting, slots.stride, 1);
    for (const word of [sandboxKey?.first, sandboxKey?.second])
      Atomics.add(slots.wantedBy[1] as Int32Array, word as number, 1);
    const noAnswer = vi.spyOn(Atomics, "notify").mockReturnValue(0);
    first?.end();
    expect(second?.state).toBe("waiting");
    noAnswer.mockRestore();
    await eventually("the place is not lost", () => second?.state === "inside");
  });

  test("found out later is counted from then on", () => {
    const { gate } = gatesOf(1, { maxPerCaller: 8, maxPerSandbox: 1 });
    const { sandboxKey } = claim("", "box");
    if (sandboxKey === null) throw new Error("no key");
    expect(gate.tryAcquire(claim("a"))).toBe(true);
    expect([gate.extend(sandboxKey), gate.extend(sandboxKey)]).toEqual([true, false]);
    gate.release(claim("a", "box"));
    expect(gate.extend(sandboxKey)).toBe(true);
  });
});

/** One slot, 10 ms a call, `perCall` calls coming for each that ends, for `ms`. */
async function overloaded(gate: ConcurrencyGate, ms: number, perCall: number) {
  const waits: number[] = [];
  const refusedAfter: number[] = [];
  const arrive = (name: string): void => {
    const since = performance.now();
    const call: Call = new Call(gate, claim(name), () => {
      waits.push(performance.now() - since);
      setTimeout(() => call.end(), 10);
    });
    void eventually("decided", () => call.state !== "waiting", 60_000).then(() => {
      if (call.state instanceof GatewayError) refusedAfter.push(performance.now() - since);
    });
  };
  for (let now = 0; now < ms; now += 10) {
    for (let one = 0; one < perCall; one++) arrive("busy");
    await vi.advanceTimersByTimeAsync(10);
  }
  return { waits, refusedAfter };
}

describe("a queue that is served too late", () => {
  test("becomes as deep as it is worth: nobody served waits long, the refused are told at once", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const limits = { max: 1, maxPerCaller: 1, maxPending: 1024, maxPendingPerCaller: 1024, targetMs: 200 };
    const { gate } = gatesOf(1, limits);
    await overloaded(gate, 1500, 4);
    expect(gate.pending).toBeLessThanOrEqual(20);
    const { waits, refusedAfter } = await overloaded(gate, 2000, 4);
    expect(Math.max(...waits)).toBeLessThanOrEqual(220);
    expect(waits.length).toBeGreaterThan(175); // 200 less those that were waiting already: never idle
    expect(Math.max(...refusedAfter)).toBeLessThanOrEqual(10);
    expect(refusedAfter.length).toBeGreaterThan(500);
  });
});

type Step =
  | { readonly kind: "arrive"; readonly thread: number; readonly caller: number; readonly sandbox: number }
  | { readonly kind: "end"; readonly pick: number }
  | { readonly kind: "die"; readonly thread: number }
  | { readonly kind: "settle" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      thread: fc.nat(2),
      caller: fc.nat(3),
      sandbox: fc.nat(2),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("end" as const), pick: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("die" as const), thread: fc.integer({ min: 1, max: 2 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "settle" as const }) },
);

describe("over any sequence of arrivals, ends, departures and deaths of threads", () => {
  test("never over the whole or a share, nobody waits who might go, and all comes back", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const [max, maxPerCaller, maxPerSandbox] = [4, 2, 3];
        const { gates, gate, memory } = gatesOf(3, { max, maxPerCaller, maxPerSandbox, maxPending: 12 });
        let calls: { thread: number; caller: number; sandbox: number; call: Call }[] = [];
        const dead = new Set<number>();
        const most = (by: (one: (typeof calls)[number]) => number): number => {
          const counts = Map.groupBy(
            calls.filter(({ call }) => call.state === "inside"),
            by,
          );
          return Math.max(0, ...[...counts.values()].map((group) => group.length));
        };
        const settle = async (): Promise<void> => {
          await settled(memory);
          const within = inside(calls.map(({ call }) => call));
          const waiting = calls.filter(({ call }) => call.state === "waiting");
          expect([gate.taken, gate.pending]).toEqual([within, waiting.length]);
          expect(within).toBeLessThanOrEqual(max);
          // Threads that looked at the same moment may have exceeded a share by one call each; here they take turns.
          expect(most(({ caller }) => caller)).toBeLessThanOrEqual(maxPerCaller);
          expect(most(({ sandbox }) => sandbox)).toBeLessThanOrEqual(maxPerSandbox);
          const count = (holds: (one: (typeof calls)[number]) => boolean): number =>
            calls.filter((one) => one.call.state === "inside" && holds(one)).length;
          for (const { caller, sandbox } of waiting) {
            const full =
              within === max ||
              count((one) => one.caller === caller) >= maxPerCaller ||
              count((one) => one.sandbox === sandbox) >= maxPerSandbox;
            expect(full).toBe(true);
          }
        };
        for (const one of steps) {
          if (one.kind === "settle") await settle();
          else if (one.kind === "end") calls[one.pick % Math.max(1, calls.length)]?.call.end();
          else if (one.kind === "die") {
            if (dead.has(one.thread)) continue;
            // Nothing of a dead thread runs any more, but its gate here would go on serving who waits.
            for (const { thread, call } of calls) if (thread === one.thread && call.state === "waiting") call.end();
            await settle();
            dead.add(one.thread);
            calls = calls.filter(({ thread }) => thread !== one.thread);
            reclaimThread(memory, one.thread);
          } else if (!dead.has(one.thread)) {
            const wanted = claim(`caller ${one.caller}`, `sandbox ${one.sandbox}`);
            calls.push({ ...one, call: new Call(gates[one.thread] as ConcurrencyGate, wanted) });
          }
        }
        await settle();
        while (calls.some(({ call }) => call.state === "inside")) {
          for (const { call } of calls) if (call.state === "inside") call.end();
          await settle();
        }
        expect([gate.taken, gate.pending]).toEqual([0, 0]);
        const lanes = [...memory.slots.heldBy, ...memory.slots.wantedBy];
        expect(lanes.every((lane) => lane.every((word) => word === 0))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});
