import { expect, test } from "vitest";
import { createSharedMemory } from "../../src/daemon/shared-memory/layout.ts";
import { reclaimThread } from "../../src/daemon/shared-memory/reclaim.ts";
import { Cap } from "../../src/limits/cap.ts";
import { sketchKey } from "../../src/limits/sketch.ts";

function capsOf(threads: number, limits: { max: number; share: number }) {
  const memory = createSharedMemory(threads);
  const caps = memory.streams.map((_, thread) => new Cap({ lanes: memory.streams, thread, ...limits }));
  const key = (name: string) => sketchKey("salt", name, memory.streams[0]?.sketch.length as number);
  return { memory, key, one: caps[0] as Cap, other: caps[1] as Cap };
}

test("places are bounded in all and by key, over all threads, and say which bound was met", () => {
  const { one, other, key } = capsOf(2, { max: 3, share: 2 });
  expect([one.take(key("a")), other.take(key("a")), one.take(key("a"))]).toEqual(["taken", "taken", "over share"]);
  expect([other.take(key("b")), other.take(key("b")), one.take(null)]).toEqual(["taken", "full", "full"]);
  one.release(key("a"));
  expect([one.taken, one.take(key("a")), one.taken]).toEqual([2, "taken", 3]);
});

test("who is nobody in particular has no share", () => {
  const { one } = capsOf(1, { max: 3, share: 1 });
  expect([one.take(null), one.take(null), one.take(null), one.take(null)]).toEqual(["taken", "taken", "taken", "full"]);
});

test("what a dead thread had taken is free again", () => {
  const { one, other, key, memory } = capsOf(2, { max: 9, share: 1 });
  other.take(key("a"));
  expect(one.take(key("a"))).toBe("over share");
  reclaimThread(memory, 1);
  expect([one.taken, one.take(key("a"))]).toEqual([0, "taken"]);
});
