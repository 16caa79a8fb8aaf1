import { expect, test } from "vitest";
import { TransferRate } from "../../../src/proxy/request/transfer-rate.ts";

const MINIMUM = { bytesPerSecond: 100, afterMs: 10_000 };

test("a transfer is too slow when its average is, not before some time and not for one byte now and then", () => {
  const rate = new TransferRate(MINIMUM);
  rate.wait(0);
  expect(rate.isTooSlow(10_000)).toBe(false);
  expect(rate.isTooSlow(10_001)).toBe(true);
  rate.moved(1);
  expect(rate.isTooSlow(10_002)).toBe(true);
  rate.moved(2_000);
  expect(rate.isTooSlow(20_000)).toBe(false);
  expect(rate.isTooSlow(20_020)).toBe(true);
});

test("only the time in which the client is waited for counts", () => {
  const rate = new TransferRate(MINIMUM);
  rate.wait(0);
  rate.rest(9_000);
  rate.rest(50_000);
  expect(rate.isTooSlow(1_000_000)).toBe(false);
  rate.wait(1_000_000);
  rate.wait(1_000_900);
  expect(rate.isTooSlow(1_001_000)).toBe(false);
  expect(rate.isTooSlow(1_001_001)).toBe(true);
});

test("a minimum of 0 is none", () => {
  const rate = new TransferRate({ bytesPerSecond: 0, afterMs: 0 });
  rate.wait(0);
  expect(rate.isTooSlow(1e9)).toBe(false);
});
