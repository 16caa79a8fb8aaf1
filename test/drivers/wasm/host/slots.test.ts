import { expect, test } from "vitest";
import { Slots } from "../../../../src/drivers/wasm/host/slots.ts";

const never = new AbortController().signal;

test("slots are handed on in the order they were asked for", async () => {
  const slots = new Slots({ count: 1, maxWaiting: 2 });
  const order: string[] = [];
  expect(await slots.claim(never)).toBe(true);
  const first = slots.claim(never).then(() => order.push("first"));
  const second = slots.claim(never).then(() => order.push("second"));
  slots.release();
  await first;
  expect(order).toEqual(["first"]);
  slots.release();
  await second;
  expect(order).toEqual(["first", "second"]);
});

test("nobody waits beyond the bound", async () => {
  const slots = new Slots({ count: 1, maxWaiting: 1 });
  await slots.claim(never);
  const waiting = slots.claim(never);
  expect(await slots.claim(never)).toBe(false);
  slots.release();
  expect(await waiting).toBe(true);
});

test("who gives up loses no slot to nobody", async () => {
  const slots = new Slots({ count: 1, maxWaiting: 2 });
  await slots.claim(never);
  const impatient = new AbortController();
  const gone = slots.claim(impatient.signal);
  const patient = slots.claim(never);
  impatient.abort(new Error("gone"));
  await expect(gone).rejects.toThrow("gone");
  slots.release();
  expect(await patient).toBe(true);
});

test("a signal that has fired claims nothing", async () => {
  const slots = new Slots({ count: 1, maxWaiting: 0 });
  await expect(slots.claim(AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
  expect(await slots.claim(never)).toBe(true);
});
