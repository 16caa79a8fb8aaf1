import { expect, test } from "vitest";
import { BodyMemory } from "../../../src/limits/body-memory.ts";
import { Cap } from "../../../src/limits/cap.ts";
import { KEPT_MOST, KeptBody } from "../../../src/proxy/forward/kept-body.ts";

/** A body in a memory of `units` KiB. */
function keeping(units: number) {
  const lanes = [{ total: new Int32Array(1), sketch: new Int32Array(4096) }];
  const cap = new Cap({ lanes, thread: 0, max: units, share: units });
  return { cap, kept: new KeptBody(new BodyMemory({ cap, callerKey: null })) };
}

test("a body is kept whole up to 64 KiB, and counted", () => {
  const { cap, kept } = keeping(1_000);
  for (let at = 0; at < KEPT_MOST; at += 1024) kept.add(Buffer.alloc(1024, at / 1024));
  expect(kept.whole).toBe(true);
  expect(Buffer.concat(kept.chunks)).toHaveLength(KEPT_MOST);
  expect(cap.taken).toBe(64);
});

test.each([
  ["grows beyond 64 KiB", 1_000, KEPT_MOST + 1],
  ["finds no room", 1, 1025],
])("one that %s is let go of, with what it took", (_, units, size) => {
  const { cap, kept } = keeping(units);
  kept.add(Buffer.alloc(1));
  kept.add(Buffer.alloc(size - 1));
  kept.add(Buffer.alloc(1));
  expect(kept.whole).toBe(false);
  expect(kept.chunks).toEqual([]);
  expect(cap.taken).toBe(0);
});

test("what is kept does not change with the buffer it came in", () => {
  const { kept } = keeping(10);
  const read = Buffer.from("body");
  kept.add(read);
  read.fill(0);
  expect(String(kept.chunks[0])).toBe("body");
});
