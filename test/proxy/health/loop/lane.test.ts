import { expect, test } from "vitest";
import { Lane } from "../../../../src/proxy/health/loop/lane.ts";

interface Item {
  readonly name: string;
  readonly isSlow: boolean;
}

const many = (name: string, count: number, isSlow: boolean): Item[] =>
  Array.from({ length: count }, (_, index) => ({ name: `${name}${index}`, isSlow }));

function start(limit: number) {
  const going: Item[] = [];
  const lane = new Lane<Item>({ limit, start: (item) => void going.push(item) });
  return { going, lane, names: () => going.map(({ name }) => name).join(" ") };
}

test("so many go at a time, in the order in which they came", () => {
  const { going, lane, names } = start(2);
  for (const item of many("a", 4, false)) lane.enter(item);
  expect([names(), lane.going, lane.waiting]).toEqual(["a0 a1", 2, 2]);
  lane.leave(going[1] as Item);
  expect(names()).toBe("a0 a1 a2");
});

test("those that are slow have half of it at most, and the others all of the rest", () => {
  const { going, lane } = start(10);
  for (const item of [...many("slow", 100, true), ...many("fast", 100, false)]) lane.enter(item);
  expect(Object.groupBy(going, ({ isSlow }) => `${isSlow}`)).toMatchObject({
    true: { length: 5 },
    false: { length: 5 },
  });
  for (let round = 0; round < 50; round++) {
    const done = going.find(({ isSlow }) => !isSlow) as Item;
    going.splice(going.indexOf(done), 1);
    lane.leave(done);
    expect(going.filter(({ isSlow }) => isSlow).length).toBe(5);
  }
});

test("slow ones go where nobody else waits, and are not kept from going by those that do", () => {
  const { lane, names } = start(1);
  const [slow] = many("slow", 1, true) as [Item];
  const fast = many("fast", 3, false) as [Item, Item, Item];
  lane.enter(slow);
  for (const item of fast) lane.enter(item);
  lane.leave(slow);
  lane.enter(slow);
  lane.leave(fast[0]);
  expect(names()).toBe("slow0 fast0 slow0");
});

test("one that leaves before its turn never goes, and a wider lane takes more at once", () => {
  const { lane, names } = start(1);
  const [one, two, three] = many("a", 3, false) as [Item, Item, Item];
  for (const item of [one, two, three]) lane.enter(item);
  lane.leave(two);
  lane.setLimit(3);
  expect(names()).toBe("a0 a2");
});
