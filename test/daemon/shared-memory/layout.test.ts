import { describe, expect, test } from "vitest";
import {
  AUDIT_DOWN,
  attachSharedMemory,
  createSharedMemory,
  FLAG,
  setAuditDown,
  type SharedMemory,
} from "../../../src/daemon/shared-memory/layout.ts";
import { reclaimThread } from "../../../src/daemon/shared-memory/reclaim.ts";

type Words = Int32Array | BigInt64Array | Float64Array;

function allWords({
  flags,
  rate,
  slots,
  instances,
  connections,
  streams,
  bodies,
  pulses,
  metrics,
}: SharedMemory): Words[] {
  return [
    flags,
    rate.keys,
    rate.arrivals,
    slots.shared,
    slots.held,
    slots.waiting,
    slots.ready,
    slots.granted,
    ...slots.heldBy,
    ...slots.wantedBy,
    instances.state,
    ...instances.inFlight,
    ...[...connections, ...streams, ...bodies].flatMap(({ total, sketch }) => [total, sketch]),
    ...pulses.flatMap(({ revision, beat }) => [revision, beat]),
    ...metrics,
  ];
}

describe("the shared memory", () => {
  test.each([1, 2, 7])("for %i threads is zeroed, and no two parts of it overlap or share a cache line", (threads) => {
    const memory = createSharedMemory(threads);
    const parts = allWords(memory).toSorted((a, b) => a.byteOffset - b.byteOffset);
    expect(parts).toHaveLength(9 + 12 * threads);
    let end = 0;
    for (const part of parts) {
      expect(part.byteOffset % 64).toBe(0);
      expect(part.byteOffset).toBeGreaterThanOrEqual(end);
      end = part.byteOffset + part.byteLength;
      expect(part.every((word) => word === 0 || word === 0n)).toBe(true);
    }
    expect(memory.buffer.byteLength).toBeGreaterThanOrEqual(end);
  });

  test("takes 8 MB and less than 2 MB a thread", () => {
    const sizes = [1, 2].map((threads) => createSharedMemory(threads).buffer.byteLength);
    const [one, two] = sizes as [number, number];
    expect(two - one).toBeLessThan(2 * 2 ** 20);
    expect(one - (two - one)).toBeLessThan(8.1 * 2 ** 20);
  });

  test("is the same from every thread", () => {
    const memory = createSharedMemory(3);
    const attached = attachSharedMemory(memory.buffer, 3);
    for (const [index, part] of allWords(memory).entries())
      part[part.length - 1] = part instanceof BigInt64Array ? 9n : index;
    expect(allWords(attached)).toEqual(allWords(memory));
    Atomics.store(attached.flags, FLAG.auditDown, 1);
    expect(memory.flags[FLAG.auditDown]).toBe(1);
    expect(memory.flags[FLAG.draining]).toBe(0);
  });

  test("keeps what threads often write on cache lines of their own", () => {
    const { slots } = createSharedMemory(4);
    expect(slots.stride * Int32Array.BYTES_PER_ELEMENT).toBeGreaterThanOrEqual(64);
    expect(slots.shared).toHaveLength(2 * slots.stride);
    for (const words of [slots.held, slots.waiting, slots.ready, slots.granted])
      expect(words).toHaveLength(4 * slots.stride);
  });
});

test("reclaiming a dead thread clears its part and nobody else's", () => {
  const memory = createSharedMemory(3);
  const { slots } = memory;
  for (const part of allWords(memory))
    for (const index of part.keys()) part[index] = part instanceof BigInt64Array ? 1n : 1;
  slots.shared[0] = 6;
  const expected = attachSharedMemory(memory.buffer.slice(), 3);
  const word = slots.stride;
  expected.slots.shared[0] = 4; // it held one and had been handed another
  const { held, waiting, ready, granted } = expected.slots;
  for (const words of [held, waiting, ready, granted]) words[word] = 0;
  for (const lanes of [expected.slots.heldBy, expected.slots.wantedBy]) lanes[1]?.fill(0);
  expected.instances.inFlight[1]?.fill(0);
  for (const places of [expected.connections[1], expected.streams[1], expected.bodies[1]]) {
    places?.total.fill(0);
    places?.sketch.fill(0);
  }
  reclaimThread(memory, 1);
  for (const [index, part] of allWords(memory).entries()) expect(part).toEqual(allWords(expected)[index]);
});

test("the record is in order only when neither the writer nor the watch over the file says otherwise", () => {
  const memory = createSharedMemory(1);
  const isDown = (): boolean => Atomics.load(memory.flags, FLAG.auditDown) !== 0;
  setAuditDown(memory, AUDIT_DOWN.writer, true);
  setAuditDown(memory, AUDIT_DOWN.file, true);
  setAuditDown(memory, AUDIT_DOWN.writer, false);
  expect(isDown()).toBe(true);
  setAuditDown(memory, AUDIT_DOWN.file, false);
  expect(isDown()).toBe(false);
});
