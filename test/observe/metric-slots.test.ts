import { describe, expect, test } from "vitest";
import { ERROR_CODES } from "../../src/errors.ts";
import {
  AUTH_FAILURES,
  LATENCY_BUCKETS,
  METRIC_SLOTS,
  MetricLane,
  MetricTotals,
  OUTCOMES,
  RETRY_REASONS,
  ROUTES,
} from "../../src/observe/metric-slots.ts";

type Count = (lane: MetricLane) => void;

/** Everything that can be counted, each with where it is read. */
const COUNTS: readonly (readonly [name: string, count: Count, read: (totals: MetricTotals) => number])[] = [
  ...OUTCOMES.map(
    (one) => [one, (lane: MetricLane) => lane.outcome(one), (totals: MetricTotals) => totals.outcome(one)] as const,
  ),
  ...AUTH_FAILURES.map(
    (one) =>
      [one, (lane: MetricLane) => lane.authFailure(one), (totals: MetricTotals) => totals.authFailure(one)] as const,
  ),
  ...ERROR_CODES.map(
    (one) => [one, (lane: MetricLane) => lane.error(one), (totals: MetricTotals) => totals.error(one)] as const,
  ),
  ["auth success", (lane) => lane.authSuccess(), (totals) => totals.authSuccess()],
  ...RETRY_REASONS.map(
    (one) =>
      [`retry ${one}`, (lane: MetricLane) => lane.retry(one), (totals: MetricTotals) => totals.retries(one)] as const,
  ),
  ...ROUTES.flatMap((route) =>
    [1, 2, 3, 4, 5].map(
      (hundred) =>
        [
          `${route} ${hundred}xx`,
          (lane: MetricLane) => lane.request(route, hundred * 100 + 4, 0),
          (totals: MetricTotals) => totals.status(route, hundred),
        ] as const,
    ),
  ),
];

const readAll = (totals: MetricTotals) => COUNTS.map(([, , read]) => read(totals));

describe("a counter", () => {
  test("has a place of its own: counting one changes no other", () => {
    for (const [index, [, count]] of COUNTS.entries()) {
      const words = new Float64Array(METRIC_SLOTS);
      count(new MetricLane(words));
      expect(readAll(new MetricTotals([words]))).toEqual(COUNTS.map((_, other) => Number(other === index)));
    }
  });

  test("of all threads is the sum of theirs", () => {
    const lanes = [1, 2, 3].map(() => new Float64Array(METRIC_SLOTS));
    for (const [index, words] of lanes.entries()) {
      for (let times = 0; times <= index; times++) for (const [, count] of COUNTS) count(new MetricLane(words));
    }
    expect(readAll(new MetricTotals(lanes))).toEqual(COUNTS.map(() => 6));
  });

  test("of a status outside 100 to 599 falls into the nearest class", () => {
    const words = new Float64Array(METRIC_SLOTS);
    const lane = new MetricLane(words);
    for (const status of [0, 42, 600, 999]) lane.request("proxy", status, 0);
    const totals = new MetricTotals([words]);
    expect([1, 2, 3, 4, 5].map((hundred) => totals.status("proxy", hundred))).toEqual([2, 0, 0, 0, 2]);
  });
});

test("a request is counted in one bucket of its own route: the first whose bound it does not exceed", () => {
  const bounds = [...LATENCY_BUCKETS, Number.POSITIVE_INFINITY];
  for (const [index, bound] of bounds.entries()) {
    const words = new Float64Array(METRIC_SLOTS);
    const seconds = bound === Number.POSITIVE_INFINITY ? 1e6 : bound;
    new MetricLane(words).request("execute", 200, seconds);
    const totals = new MetricTotals([words]);
    expect(totals.latency("execute")).toEqual({
      buckets: bounds.map((_, other) => Number(other === index)),
      sum: seconds,
    });
    const others = ROUTES.filter((route) => route !== "execute").flatMap((route) => totals.latency(route).buckets);
    expect(others.every((count) => count === 0)).toBe(true);
  }
});
