import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { Observer } from "../../src/daemon/observer.ts";
import { GatewayError } from "../../src/errors.ts";
import type { Store } from "../../src/store/store.ts";
import { openTestStore } from "../support/stores.ts";

afterEach(() => void vi.useRealTimers());

function startObserver() {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const store = openTestStore();
  const disk = { failing: false, writes: 0 };
  const transaction: Store["transaction"] = (work) => {
    if (disk.failing) throw new GatewayError("GW_008");
    disk.writes += 1;
    return store.transaction(work);
  };
  let seen: Record<string, unknown> = { in_flight: 0 };
  const errors: unknown[] = [];
  const observer = new Observer({
    store: { transaction, observed: store.observed },
    look: () => seen,
    onError: (error) => void errors.push(error),
  });
  onTestFinished(() => observer.stop());
  observer.start();
  return {
    observer,
    disk,
    errors,
    look: (next: Record<string, unknown>) => void (seen = next),
    written: (): unknown => JSON.parse(store.observed.find("daemon")?.json ?? "null"),
  };
}

test("what the daemon sees is written at the start, once a second, and at the end", () => {
  const { observer, look, written } = startObserver();
  expect(written()).toEqual({ in_flight: 0 });
  look({ in_flight: 1 });
  vi.advanceTimersByTime(999);
  expect(written()).toEqual({ in_flight: 0 });
  vi.advanceTimersByTime(1);
  expect(written()).toEqual({ in_flight: 1 });
  look({ in_flight: 2 });
  observer.stop();
  expect(written()).toEqual({ in_flight: 2 });
  expect(vi.getTimerCount()).toBe(0);
});

test("what has not changed is not written again", () => {
  const { disk, look } = startObserver();
  vi.advanceTimersByTime(10_000);
  expect(disk.writes).toBe(1);
  look({ in_flight: 0 });
  vi.advanceTimersByTime(1000);
  expect(disk.writes).toBe(1);
});

test("what could not be written is told and written later", () => {
  const { disk, errors, look, written } = startObserver();
  disk.failing = true;
  look({ in_flight: 1 });
  vi.advanceTimersByTime(2000);
  expect(errors).toEqual(Array(2).fill(expect.objectContaining({ code: "GW_008" })));
  disk.failing = false;
  vi.advanceTimersByTime(1000);
  expect(written()).toEqual({ in_flight: 1 });
});
