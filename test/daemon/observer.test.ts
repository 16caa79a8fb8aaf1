import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { Observer } from "../../src/daemon/observer.ts";
import { GatewayError } from "../../src/errors.ts";
import type { ObservedTable } from "../../src/store/store.ts";
import { openTestStore } from "../support/stores.ts";

afterEach(() => void vi.useRealTimers());

async function startObserver() {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const store = openTestStore();
  const disk = { failing: false, writes: 0, slow: Promise.resolve() };
  const observed: ObservedTable = {
    find: (name) => store.observed.find(name),
    async put(name, json, at) {
      if (disk.failing) throw new GatewayError("GW_008");
      disk.writes += 1;
      await disk.slow;
      await store.observed.put(name, json, at);
    },
  };
  let seen: Record<string, unknown> = { in_flight: 0 };
  const errors: unknown[] = [];
  const observer = new Observer({
    store: { observed },
    look: () => seen,
    onError: (error) => void errors.push(error),
  });
  onTestFinished(() => observer.stop());
  await observer.start();
  return {
    observer,
    disk,
    errors,
    look: (next: Record<string, unknown>) => void (seen = next),
    written: async (): Promise<unknown> => JSON.parse((await store.observed.find("daemon"))?.json ?? "null"),
  };
}

test("what the daemon sees is written at the start, once a second, and at the end", async () => {
  const { observer, look, written } = await startObserver();
  expect(await written()).toEqual({ in_flight: 0 });
  look({ in_flight: 1 });
  await vi.advanceTimersByTimeAsync(999);
  expect(await written()).toEqual({ in_flight: 0 });
  await vi.advanceTimersByTimeAsync(1);
  expect(await written()).toEqual({ in_flight: 1 });
  look({ in_flight: 2 });
  await observer.stop();
  expect(await written()).toEqual({ in_flight: 2 });
  expect(vi.getTimerCount()).toBe(0);
});

test("what has not changed is not written again", async () => {
  const { disk, look } = await startObserver();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(disk.writes).toBe(1);
  look({ in_flight: 0 });
  await vi.advanceTimersByTimeAsync(1000);
  expect(disk.writes).toBe(1);
});

test("what could not be written is told once and written later", async () => {
  const { disk, errors, look, written } = await startObserver();
  disk.failing = true;
  look({ in_flight: 1 });
  await vi.advanceTimersByTimeAsync(2000);
  expect(errors).toEqual([expect.objectContaining({ code: "GW_008" })]);
  disk.failing = false;
  await vi.advanceTimersByTimeAsync(1000);
  expect(await written()).toEqual({ in_flight: 1 });
});

test("a store slower than a second gets one write at a time, and then what is to be seen", async () => {
  const { observer, disk, look, written } = await startObserver();
  const { promise, resolve: ready } = Promise.withResolvers<void>();
  disk.slow = promise;
  for (const inFlight of [1, 2, 3]) {
    look({ in_flight: inFlight });
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(disk.writes).toBe(2);
  ready();
  await observer.stop();
  expect(disk.writes).toBe(3);
  expect(await written()).toEqual({ in_flight: 3 });
});
