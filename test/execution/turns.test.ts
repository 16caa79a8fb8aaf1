import { expect, test } from "vitest";
import { Turns } from "../../src/execution/turns.ts";

test("large documents that come at once are read in turns of their own, in order", async () => {
  const turns = new Turns();
  let turn = 0;
  let counting = setImmediate(function count() {
    turn += 1;
    counting = setImmediate(count);
  });
  const read: number[] = [];
  const order: string[] = [];
  const large = Buffer.alloc(300_000);
  await Promise.all(
    ["a", "b", "c"].map(async (name) => {
      await turns.of(large);
      read.push(turn);
      order.push(name);
    }),
  );
  clearImmediate(counting);
  expect(new Set(read).size).toBe(3);
  expect(order).toEqual(["a", "b", "c"]);
});

test("a short document waits for nobody", () => {
  const turns = new Turns();
  void turns.of(Buffer.alloc(300_000));
  expect(turns.of(Buffer.alloc(1_000))).toBeUndefined();
});
