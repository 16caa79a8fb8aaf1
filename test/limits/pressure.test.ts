import { describe, expect, test } from "vitest";
import { Pressure } from "../../src/limits/pressure.ts";

const FREE = Number.POSITIVE_INFINITY;

/** One served every 10 ms from `from` to `to`, each having waited `waitedMs`, while `arriving` come for each. */
function serve(pressure: Pressure, from: number, to: number, waitedMs: number, arriving: number, length = 1000): void {
  for (let now = from; now <= to; now += 10) {
    for (let one = 0; one < arriving; one++) pressure.arrive(length);
    pressure.served(waitedMs, now);
  }
}

function pressed(): Pressure {
  const pressure = new Pressure(200);
  serve(pressure, 0, 600, 1000, 4);
  expect(pressure.depth).toBe(20);
  return pressure;
}

describe("a queue served too late", () => {
  test("for a whole interval, while more come than leave, is worth what is served within the target", () => {
    const pressure = new Pressure(200);
    serve(pressure, 0, 490, 1000, 4);
    expect(pressure.depth).toBe(FREE);
    serve(pressure, 500, 510, 1000, 4);
    expect(pressure.depth).toBe(20); // 100 a second
  });

  test("is left alone when nobody else comes: a burst drains however long that takes", () => {
    const pressure = new Pressure(200);
    serve(pressure, 0, 10_000, 5000, 0);
    expect(pressure.depth).toBe(FREE);
  });

  test("is left alone when one in the interval was served in time", () => {
    const pressure = new Pressure(200);
    serve(pressure, 0, 400, 1000, 4);
    serve(pressure, 410, 410, 199, 4);
    serve(pressure, 420, 900, 1000, 4);
    expect(pressure.depth).toBe(FREE);
  });

  test("keeps room for one, however slow", () => {
    const pressure = new Pressure(200);
    for (let now = 0; now < 10_000; now += 1000) serve(pressure, now, now, 4000, 4);
    expect(pressure.depth).toBe(1);
  });
});

describe("the pressure", () => {
  test("stays while the queue is full to its worth", () => {
    const pressure = pressed();
    serve(pressure, 610, 3000, 195, 4);
    expect(pressure.depth).toBe(20);
  });

  test("follows the rate", () => {
    const pressure = pressed();
    for (let now = 700; now < 3000; now += 50) serve(pressure, now, now, 195, 4);
    expect(pressure.depth).toBe(4); // 20 a second
  });

  test("is over when for an interval nobody had to be refused", () => {
    const pressure = pressed();
    serve(pressure, 610, 1100, 195, 1, 19);
    expect(pressure.depth).toBe(20); // some had been refused at its beginning
    serve(pressure, 1110, 1700, 195, 1, 19);
    expect(pressure.depth).toBe(FREE);
  });
});
