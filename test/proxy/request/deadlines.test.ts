import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { Deadlines, type Watched } from "../../../src/proxy/request/deadlines.ts";
import { eventually } from "../../support/eventually.ts";

class Call implements Watched {
  deadline: number;
  place = -1;
  expired = 0;
  readonly #onExpire: (call: Call) => void;

  constructor(inMs: number, onExpire: (call: Call) => void = () => undefined) {
    this.deadline = performance.now() + inMs;
    this.#onExpire = onExpire;
  }

  expire(): void {
    this.expired += 1;
    this.#onExpire(this);
  }
}

function started(): Deadlines {
  const deadlines = new Deadlines();
  onTestFinished(() => deadlines.close());
  return deadlines;
}

function watched(deadlines: Deadlines, inMs: number, onExpire?: (call: Call) => void): Call {
  const call = new Call(inMs, onExpire);
  deadlines.watch(call);
  return call;
}

describe("a deadline", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  test("fires within a tenth of a second after it has passed, and not before", () => {
    const call = watched(started(), 1000);
    vi.advanceTimersByTime(999);
    expect(call.expired).toBe(0);
    vi.advanceTimersByTime(100);
    expect(call.expired).toBe(1);
  });

  test("fires again at every sweep until it is unwatched", () => {
    const deadlines = started();
    const call = watched(deadlines, 50);
    vi.advanceTimersByTime(300);
    expect(call.expired).toBe(3);
    deadlines.unwatch(call);
    vi.advanceTimersByTime(300);
    expect(call.expired).toBe(3);
  });

  test("that moves does not fire", () => {
    const call = watched(started(), 500);
    for (let chunk = 0; chunk < 20; chunk++) {
      vi.advanceTimersByTime(400);
      call.deadline = performance.now() + 500;
    }
    expect(call.expired).toBe(0);
    vi.advanceTimersByTime(600);
    expect(call.expired).toBeGreaterThan(0);
  });

  test("at infinity never fires", () => {
    const call = watched(started(), Number.POSITIVE_INFINITY);
    vi.advanceTimersByTime(1_000_000);
    expect(call.expired).toBe(0);
  });

  test("may unwatch itself and others, and watch new ones, while they are swept", () => {
    const deadlines = started();
    const added: Call[] = [];
    const replace = (call: Call): void => {
      deadlines.unwatch(call);
      deadlines.unwatch(second);
      added.push(watched(deadlines, 1000));
    };
    const first = watched(deadlines, 50, replace);
    const second = watched(deadlines, 50, replace);
    const third = watched(deadlines, 50, (call) => deadlines.unwatch(call));
    vi.advanceTimersByTime(200);
    expect([first.expired, second.expired, third.expired]).toEqual([1, 0, 1]);
    expect(added.map(({ expired }) => expired)).toEqual([0]);
    vi.advanceTimersByTime(900);
    expect(added.map(({ expired }) => expired)).toEqual([1]);
  });

  test("fires no more after close", () => {
    const deadlines = started();
    const call = watched(deadlines, 50);
    deadlines.close();
    vi.advanceTimersByTime(1000);
    expect(call.expired).toBe(0);
  });
});

test("an event loop that stood still moves deadlines instead of firing them", async () => {
  const deadlines = started();
  let sweeps = 0;
  const clock = watched(deadlines, 0, () => void (sweeps += 1)); // fires at every sweep
  await eventually("a sweep", () => sweeps === 1);
  const call = watched(deadlines, 300);
  const idle = watched(deadlines, Number.POSITIVE_INFINITY);
  const { deadline } = call;
  const stalledAt = performance.now();
  while (performance.now() - stalledAt < 500);
  const seen = sweeps;
  await eventually("the sweep after the stall", () => sweeps > seen);
  expect(call.expired).toBe(0);
  expect(call.deadline - deadline).toBeGreaterThan(350);
  expect(call.deadline - deadline).toBeLessThan(performance.now() - stalledAt);
  expect(idle.deadline).toBe(Number.POSITIVE_INFINITY);
  clock.deadline = Number.POSITIVE_INFINITY;
  await eventually("it fires in the end", () => call.expired > 0);
  expect(performance.now()).toBeGreaterThanOrEqual(call.deadline);
});
