import { CIRCUITS, circuitWords } from "../../support/circuits.ts";
import { Circuits } from "../../../src/proxy/health/circuits.ts";
import { UNTRACKED } from "../../../src/proxy/health/board.ts";
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import type { InstanceWords } from "../../../src/daemon/shared-memory/layout.ts";
import { createSharedMemory } from "../../../src/daemon/shared-memory/layout.ts";
import { Places } from "../../../src/daemon/shared-memory/places.ts";
import type { Revised } from "../../../src/domain/change.ts";
import type { Instance, Sandbox } from "../../../src/domain/sandbox.ts";
import { SharedBoard } from "../../../src/proxy/health/board.ts";
import { eventually } from "../../support/eventually.ts";
import { healthWords } from "../../support/health.ts";
import type { PlaceThreadStart } from "../../support/place-thread.ts";
import { PLAIN_INSTANCE, PLAIN_SANDBOX, SOME_SANDBOX } from "../../support/sandboxes.ts";
import { NO_STATE } from "../../support/snapshot.ts";

/** A memory of `size` places and two threads, with boards of each. */
function start(size: number) {
  const words: InstanceWords = {
    size,
    state: new Int32Array(new SharedArrayBuffer(4 * size)),
    inFlight: [0, 1].map(() => new Int32Array(new SharedArrayBuffer(4 * size))),
    circuits: circuitWords(size, 2),
    health: healthWords(size),
  };
  const full: Instance[] = [];
  return {
    words,
    full,
    places: new Places({
      words,
      circuits: new Circuits({ words: words.circuits, limits: CIRCUITS }),
      onFull: (instance) => void full.push(instance),
    }),
    boards: [0, 1].map((thread) => new SharedBoard({ words, thread, circuits: CIRCUITS })) as [
      SharedBoard,
      SharedBoard,
    ],
  };
}

function sandbox(id: string, ...numbers: number[]): Sandbox {
  const instances = numbers.map((number) => ({
    id: `ins_${number}`,
    sandboxId: id,
    url: "http://x:1",
    number,
    ...PLAIN_INSTANCE,
  }));
  return {
    id,
    ...PLAIN_SANDBOX,
    instances,
  };
}

function put(places: Places, revision: number, it: Sandbox): readonly Instance[] {
  const { change } = places.apply({ revision, change: { kind: "sandbox.put", sandbox: it } });
  return change.kind === "sandbox.put" ? change.sandbox.instances : [];
}

const removed = (revision: number, sandboxId: string): Revised => ({
  revision,
  change: { kind: "sandbox.removed", sandboxId },
});

test("an instance keeps its place while its sandbox changes, and no other gets it", () => {
  const { places, boards } = start(8);
  const [one] = put(places, 1, sandbox("a", 1)) as [Instance];
  boards[0].set(one, "up");
  const [again, other] = put(places, 2, sandbox("a", 1, 2)) as [Instance, Instance];
  expect(again).toEqual(one);
  expect(other.place).not.toBe(one.place);
  expect([boards[1].state(again), boards[1].state(other)]).toEqual(["up", "unknown"]);
  const whole = places.replace({ ...NO_STATE, revision: 3, sandboxes: [sandbox("a", 2), sandbox("b", 3)] });
  expect(whole.sandboxes[0]?.instances).toEqual([other]);
  expect(new Set(whole.sandboxes.flatMap(({ instances }) => instances.map(({ place }) => place))).size).toBe(2);
});

test("a place is given back when all threads serve a revision without its instance and nothing is in flight on it", () => {
  const { places, boards, full } = start(1);
  const [one] = put(places, 1, sandbox("a", 1)) as [Instance];
  boards[0].set(one, "down");
  expect(boards[1].claim(one, 0)).toBe(0);
  places.apply(removed(2, "a"));
  places.reclaim(1);
  expect([places.free, boards[0].state(one)]).toEqual([0, "down"]);
  places.reclaim(2);
  expect(places.free).toBe(0);
  boards[1].release(one, 0);
  places.reclaim(2);
  expect(places.free).toBe(1);
  const [two] = put(places, 3, sandbox("b", 2)) as [Instance];
  expect([two.place, boards[0].state(two), boards[0].inFlight(two), full]).toEqual([0, "unknown", 0, []]);
});

test("a call that goes on with an old picture of its sandbox touches nobody else's place", () => {
  const { places, boards } = start(1);
  const [old] = put(places, 1, sandbox("a", 1)) as [Instance];
  places.apply(removed(2, "a"));
  places.reclaim(2);
  const [present] = put(places, 3, sandbox("b", 2)) as [Instance];
  expect(present.place).toBe(old.place);
  boards[0].report(SOME_SANDBOX, old, 0, "unreachable");
  boards[0].set(old, "up");
  expect([boards[0].claim(old, 0), boards[1].state(old), boards[1].inFlight(old)]).toEqual([UNTRACKED, "unknown", 0]);
  expect([boards[1].state(present), boards[1].inFlight(present)]).toEqual(["unknown", 0]);
});

test("an instance for which there is no place serves uncounted, which is told, and a later one gets the next free place", () => {
  const { places, boards, full } = start(1);
  const [, homeless] = put(places, 1, sandbox("a", 1, 2)) as [Instance, Instance];
  expect(full.map(({ id }) => id)).toEqual(["ins_2"]);
  boards[0].report(SOME_SANDBOX, homeless, 0, "answered");
  expect([boards[0].claim(homeless, 0), boards[0].state(homeless), boards[0].inFlight(homeless)]).toEqual([
    UNTRACKED,
    "unknown",
    0,
  ]);
  places.apply(removed(2, "a"));
  places.reclaim(2);
  expect(places.free).toBe(1);
  expect(put(places, 3, sandbox("b", 3))[0]?.place).toBe(0);
});

test("places that were left before the store was replaced by an older one are not lost", () => {
  const { places } = start(2);
  put(places, 1000, sandbox("a", 1));
  places.apply(removed(1001, "a"));
  places.replace({ ...NO_STATE, revision: 10 });
  places.reclaim(10);
  expect(places.free).toBe(2);
});

test("a million leases never give one place to two living instances, and none inherits what was known of another", () => {
  const LEASES = 1_000_000;
  const { places, words, boards, full } = start(256);
  const random = generator(20_261_125);
  const living = new Map<string, Lease>();
  /** Claims of instances that have gone, still to be released. */
  const late: { instance: Instance; thread: number }[] = [];
  const owners = new Map<number, string>();
  const seen = { shared: 0, inherited: 0 };
  let revision = 0;
  for (let lease = 1; lease <= LEASES; lease++) {
    const id = `s${lease}`;
    const [instance] = put(places, ++revision, sandbox(id, lease)) as [Instance];
    living.set(id, { instance, inFlight: [] });
    const { place } = instance;
    if (place !== undefined) {
      if (owners.has(place)) seen.shared += 1;
      owners.set(place, id);
      if (boards[0].state(instance) !== "unknown" || boards[0].inFlight(instance) !== 0) seen.inherited += 1;
    }
    const thread = random() & 1;
    const board = boards[thread] as SharedBoard;
    if (board.claim(instance, 0) >= 0) living.get(id)?.inFlight.push(thread);
    board.report(SOME_SANDBOX, instance, 0, (random() & 1) === 0 ? "answered" : "unreachable");
    // Somebody leaves, with or without a call in flight.
    if (living.size > 200 || (random() & 3) === 0) {
      const [gone, { instance: left, inFlight }] = living.entries().next().value as [string, Lease];
      living.delete(gone);
      if (left.place !== undefined) owners.delete(left.place);
      places.apply(removed(++revision, gone));
      for (const one of inFlight) late.push({ instance: left, thread: one });
    }
    // Calls end after a while, some only long after.
    while (late.length > 20 || (late.length > 0 && (random() & 1) === 0)) {
      const [ended] = late.splice(random() % late.length, 1) as [{ instance: Instance; thread: number }];
      boards[ended.thread]?.release(ended.instance, 0);
      boards[ended.thread]?.report(SOME_SANDBOX, ended.instance, 0, "unreachable");
    }
    places.reclaim(revision - (random() % 3));
  }
  for (const { instance, thread } of late) boards[thread]?.release(instance, 0);
  for (const { instance, inFlight } of living.values())
    for (const thread of inFlight) boards[thread]?.release(instance, 0);
  expect(seen).toEqual({ shared: 0, inherited: 0 });
  expect(full).toEqual([]);
  expect(words.inFlight.map((lane) => lane.every((count) => count === 0))).toEqual([true, true]);
}, 60_000);

test("a thread that never stops working with former owners leaves no trace in a place, however often it changes hands", async () => {
  const memory = createSharedMemory(1);
  const words: InstanceWords = {
    ...memory.instances,
    size: 1,
    state: memory.instances.state.subarray(0, 1),
    inFlight: memory.instances.inFlight.map((lane) => lane.subarray(0, 1)),
  };
  const current = new Int32Array(new SharedArrayBuffer(8));
  const workerData: PlaceThreadStart = { memory: memory.buffer, current: current.buffer };
  const thread = new Worker(join(import.meta.dirname, "../../support/place-thread.ts"), { workerData });
  onTestFinished(async () => void (await thread.terminate()));
  await once(thread, "message");
  const places = new Places({
    words,
    circuits: new Circuits({ words: words.circuits, limits: CIRCUITS }),
    onFull: () => expect.unreachable(),
  });
  const board = new SharedBoard({ words, circuits: CIRCUITS });
  let wrong = 0;
  for (let number = 1; number <= 3_000; number++) {
    const [instance] = put(places, number, sandbox(`s${number}`, number)) as [Instance];
    if (board.state(instance) !== "unknown") wrong += 1;
    board.set(instance, "up");
    places.apply(removed(number, `s${number}`));
    Atomics.store(current, 0, number); // from now on it works with this one, which is a former owner at once
    for (let tries = 0; places.free === 0 && tries < 10_000_000; tries++) places.reclaim(number);
    expect(places.free).toBe(1);
  }
  expect(wrong).toBe(0);
  Atomics.store(current, 0, -1);
  await eventually("the thread has stopped", () => Atomics.load(current, 1) > 0);
  expect(words.inFlight[0]?.[0]).toBe(0);
  expect(Atomics.load(current, 1)).toBeGreaterThan(1_000); // it did work
});

interface Lease {
  readonly instance: Instance;
  /** The threads on which a call is in flight. */
  readonly inFlight: number[];
}

/** Numbers from 0 to 2^31 - 1, the same each time (xorshift32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 1;
  };
}
