import * as fc from "fast-check";
import { expect, test } from "vitest";
import { sample } from "../../../src/domain/selection/sample.ts";
import { Slots } from "../../../src/domain/selection/slots.ts";

const ROOM = 3_000;

function slots(members: Iterable<number>, room = ROOM): Slots {
  const set = new Slots();
  for (const member of members) set.add(member, room);
  return set;
}

const every = (step: number): number[] => Array.from({ length: Math.ceil(ROOM / step) }, (_, index) => index * step);

test("a set of slots is what a Set is, whether it has few or many", () => {
  const slot = fc.integer({ min: 0, max: 300 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), slot), { maxLength: 400 }), (steps) => {
      const [set, model] = [new Slots(), new Set<number>()];
      for (const [isAdded, each] of steps) {
        if (isAdded) {
          set.add(each, 301);
          model.add(each);
        } else {
          set.delete(each);
          model.delete(each);
        }
      }
      expect(set.size).toBe(model.size);
      for (let each = 0; each <= 310; each++) expect(set.has(each)).toBe(model.has(each));
      expect(sample([set], 1_000, Math.random).toSorted((a, b) => a - b)).toEqual([...model].toSorted((a, b) => a - b));
    }),
  );
  expect([slots(every(2)).list, slots(every(100)).list?.length]).toEqual([null, 30]);
});

test.each([
  ["of many", [2, 3], 6],
  ["of few and many", [2, 100], 100],
  ["of few", [50, 60], 300],
  ["of one set", [1], 1],
])("what sets have in common, %s, is found whole", (_, steps, step) => {
  const found = sample(
    steps.map((each) => slots(every(each))),
    ROOM,
    Math.random,
  );
  expect(found.toSorted((a, b) => a - b)).toEqual(every(step));
});

test("sets that grew with the room for slots still have their common members", () => {
  const [early, late] = [new Slots(), new Slots()];
  for (let slot = 0; slot < 5_000; slot++) {
    if (slot < 500) early.add(slot, slot + 1);
    if (slot % 7 === 0) late.add(slot, slot + 1);
  }
  expect(sample([early, late], 5_000, Math.random)).toHaveLength(Math.ceil(500 / 7));
});

test.each([
  ["a list", [60, 1]],
  ["bits", [5, 3]],
])("each member is drawn as often as any other from %s, and comes first as often", (_, steps) => {
  const sets = steps.map((step) => slots(every(step)));
  const members = sample(sets, ROOM, Math.random);
  const [drawn, first] = [new Map<number, number>(), new Map<number, number>()];
  const draws = 40 * members.length;
  for (let draw = 0; draw < draws; draw++) {
    const found = sample(sets, 10, Math.random);
    expect(new Set(found).size).toBe(10);
    for (const slot of found) drawn.set(slot, (drawn.get(slot) ?? 0) + 1);
    first.set(found[0] as number, (first.get(found[0] as number) ?? 0) + 1);
  }
  for (const slot of members) {
    expect(drawn.get(slot)).toBeGreaterThan(400 - 6 * 20); // six standard deviations
    expect(drawn.get(slot)).toBeLessThan(400 + 6 * 20);
    expect(first.get(slot)).toBeGreaterThan(40 - 6 * 6.4);
    expect(first.get(slot)).toBeLessThan(40 + 6 * 6.4);
  }
});
