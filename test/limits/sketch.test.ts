import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Sketch, sketchKey } from "../../src/limits/sketch.ts";

const WORDS = 32;

test("a count is never too small, over all threads, and exact when keys do not meet", () => {
  const moves = fc.array(fc.record({ thread: fc.nat(2), key: fc.nat(20), add: fc.boolean() }), { maxLength: 200 });
  fc.assert(
    fc.property(moves, (steps) => {
      const lanes = [0, 1, 2].map(() => new Int32Array(WORDS));
      const sketches = lanes.map((_, thread) => new Sketch({ lanes, thread }));
      const counts = new Map<string, number>();
      for (const { thread, key, add } of steps) {
        const name = `${thread} ${key}`;
        const count = counts.get(name) ?? 0;
        if (!add && count === 0) continue;
        sketches[thread]?.add(sketchKey("salt", `key ${key}`, WORDS), add ? 1 : -1);
        counts.set(name, count + (add ? 1 : -1));
      }
      for (let key = 0; key <= 20; key++) {
        const place = sketchKey("salt", `key ${key}`, WORDS);
        const exact = [0, 1, 2].reduce((sum, thread) => sum + (counts.get(`${thread} ${key}`) ?? 0), 0);
        for (const sketch of sketches) expect(sketch.count(place)).toBeGreaterThanOrEqual(exact);
        for (const thread of [0, 1, 2]) {
          const counted = (counts.get(`${thread} ${key}`) ?? 0) > 0;
          expect(counted && sketches[0]?.has(thread, place) !== true).toBe(false);
        }
      }
    }),
  );
});

test("a key stays within its rows, and depends on the salt", () => {
  for (let key = 0; key < 1000; key++) {
    const { first, second } = sketchKey("salt", `${key}`, WORDS);
    expect(first).toBeLessThan(WORDS / 2);
    expect(second).toBeGreaterThanOrEqual(WORDS / 2);
    expect(second).toBeLessThan(WORDS);
  }
  expect(sketchKey("salt", "a", 1 << 20)).not.toEqual(sketchKey("other", "a", 1 << 20));
});
