import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Instance, Sandbox } from "../../src/domain/sandbox.ts";
import { LATENCY_BUCKETS, METRIC_SLOTS, MetricLane, MetricTotals, ROUTES } from "../../src/observe/metric-slots.ts";
import { createMetrics, type MetricSources } from "../../src/observe/metrics.ts";
import { type Family, parsePrometheus } from "../support/prometheus.ts";
import { PLAIN_INSTANCE, PLAIN_SANDBOX } from "../support/sandboxes.ts";

function fleet(sandboxes: number, instancesEach: number): Sandbox[] {
  let number = 0;
  return Array.from({ length: sandboxes }, (_, index): Sandbox => {
    const id = `box-${index}`;
    const instances = Array.from({ length: instancesEach }, (): Instance => {
      number += 1;
      return {
        id: `ins_${number}`,
        sandboxId: id,
        url: "http://127.0.0.1:9000",
        number,
        ...PLAIN_INSTANCE,
      };
    });
    return {
      id,
      ...PLAIN_SANDBOX,
      instances,
    };
  });
}

/** A page's sources with two threads' lanes, and the page itself, read. */
function setUp(sources: Partial<MetricSources> = {}) {
  const memory = [1, 2].map(() => new Float64Array(METRIC_SLOTS));
  const [lane, other] = memory.map((words) => new MetricLane(words)) as [MetricLane, MetricLane];
  const registry = createMetrics({
    totals: new MetricTotals(memory),
    sandboxes: () => [],
    instance: () => ({ state: "up", inFlight: 0 }),
    gate: () => ({ taken: 3, pending: 2 }),
    connections: () => 7,
    streams: () => 4,
    tunnels: () => 5,
    tunnelsOf: () => 5,
    auditWorking: () => true,
    auditDropped: () => 0,
    health: {
      checked: () => 0,
      down: () => 0,
      counts: { well: 0, failed: 0 },
      changes: { well: 0, down: 0 },
      outlooks: () => new Map(),
    },
    version: "1.2.3",
    ...sources,
  });
  const page = async () => parsePrometheus(await registry.metrics());
  return { lane, other, registry, page };
}

/** The value of the one sample that has these labels. */
function valueOf(families: ReadonlyMap<string, Family>, name: string, labels: Record<string, string> = {}): number {
  const family = families.get(name.replace(/_(?:bucket|sum|count)$/, "")) ?? families.get(name);
  const found = family?.samples.filter(
    (sample) => sample.name === name && JSON.stringify(sample.labels) === JSON.stringify(labels),
  );
  expect({ name, labels, found: found?.length }).toEqual({ name, labels, found: 1 });
  return found?.[0]?.value ?? Number.NaN;
}

const labelsOf = (number: number) => ({ sandbox: "box-0", instance: `ins_${number}` });

describe("the metrics page", () => {
  test("is in the Prometheus format, and its names say whose it is and what is a counter", async () => {
    const { lane, page, registry } = setUp({ sandboxes: () => fleet(2, 2) });
    lane.error("AUTH_001");
    const families = await page();
    expect(registry.contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(families.size).toBeGreaterThanOrEqual(13);
    for (const [name, { type, help, samples }] of families) {
      expect(name).toMatch(/^sandboxgw_[a-z_]+$/);
      expect(name.endsWith("_total")).toBe(type === "counter");
      expect(help).toMatch(/\.$|as label\.?$/);
      expect(samples.length).toBeGreaterThan(0);
    }
  });

  test("is complete before anything has happened: every series that can be there is, at 0", async () => {
    const families = await setUp().page();
    const counters = [...families.values()].filter(({ type }) => type !== "gauge").flatMap(({ samples }) => samples);
    expect(counters.filter(({ value }) => value !== 0)).toEqual([]);
    expect(valueOf(families, "sandboxgw_retries_total", { reason: "broken" })).toBe(0);
    expect(valueOf(families, "sandboxgw_http_responses_total", { route: "execute", class: "5xx" })).toBe(0);
    expect(families.get("sandboxgw_auth_failures_total")?.samples.map(({ labels }) => labels["reason"])).toEqual([
      "missing",
      "malformed",
      "expired",
      "revoked",
      "invalid",
      "forbidden",
    ]);
  });

  test("adds up what all threads have counted, and does not count it again when it is read twice", async () => {
    const { lane, other, page } = setUp();
    for (const one of [lane, other]) {
      one.request("proxy", 200, 0.003);
      one.request("proxy", 502, 0.003);
      one.outcome("delivered");
      one.authSuccess();
      one.authFailure("expired");
      one.error("PROXY_002");
      one.retry("broken");
    }
    other.outcome("client_gone");
    await page();
    const families = await page();
    const count = (name: string, labels = {}) => valueOf(families, `sandboxgw_${name}`, labels);
    expect(count("http_responses_total", { route: "proxy", class: "2xx" })).toBe(2);
    expect(count("http_responses_total", { route: "proxy", class: "5xx" })).toBe(2);
    expect(count("http_responses_total", { route: "execute", class: "2xx" })).toBe(0);
    expect(count("proxied_requests_total", { outcome: "delivered" })).toBe(2);
    expect(count("proxied_requests_total", { outcome: "client_gone" })).toBe(1);
    expect(count("auth_successes_total")).toBe(2);
    expect(count("auth_failures_total", { reason: "expired" })).toBe(2);
    expect(count("errors_total", { code: "PROXY_002" })).toBe(2);
    expect(families.get("sandboxgw_errors_total")?.samples).toHaveLength(1);
    expect(count("retries_total", { reason: "broken" })).toBe(2);
    expect(count("retries_total", { reason: "busy" })).toBe(0);
    expect(count("http_request_duration_seconds_count", { route: "proxy" })).toBe(4);
  });

  test("shows the state of the moment", async () => {
    let working = true;
    const { page } = setUp({ auditWorking: () => working });
    const families = await page();
    expect(valueOf(families, "sandboxgw_requests_in_flight")).toBe(3);
    expect(valueOf(families, "sandboxgw_requests_waiting")).toBe(2);
    expect(valueOf(families, "sandboxgw_connections")).toBe(7);
    expect(valueOf(families, "sandboxgw_audit_working")).toBe(1);
    expect(valueOf(families, "sandboxgw_build_info", { version: "1.2.3", node: process.version })).toBe(1);
    working = false;
    expect(valueOf(await page(), "sandboxgw_audit_working")).toBe(0);
  });

  test("shows instances by state and forgets those that are gone", async () => {
    let sandboxes = fleet(1, 4);
    const states = ["up", "down", "unknown", "starting"];
    const { page } = setUp({
      sandboxes: () => sandboxes,
      instance: ({ number }) => ({ state: states[number - 1] as string, inFlight: number * 10 }),
    });
    const before = await page();
    const up = [1, 2, 3, 4].map((number) => valueOf(before, "sandboxgw_instance_up", labelsOf(number)));
    expect(up).toEqual([1, 0, -1, 0]);
    expect(valueOf(before, "sandboxgw_instance_in_flight", labelsOf(4))).toBe(40);
    sandboxes = fleet(1, 1);
    expect((await page()).get("sandboxgw_instance_up")?.samples).toHaveLength(1);
  });

  test.each([
    ["201 sandboxes", fleet(201, 1), 200],
    ["one sandbox of 5,000 instances", fleet(1, 5000), 1000],
    ["200 sandboxes of 6 instances", fleet(200, 6), 1000],
  ])("does not grow without bounds: %s", async (_what, sandboxes, series) => {
    const families = await setUp({ sandboxes: () => sandboxes }).page();
    expect(families.get("sandboxgw_instance_up")?.samples).toHaveLength(series);
    expect(families.get("sandboxgw_instance_in_flight")?.samples).toHaveLength(series);
    expect([...families.values()].flatMap(({ samples }) => samples).length).toBeLessThan(2500);
  });
});

describe("the latency histogram", () => {
  test("is cumulative, ends with the count in +Inf, and adds up the seconds", async () => {
    const seconds = fc.oneof(
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.constantFrom(...LATENCY_BUCKETS), // a bound belongs to its bucket
    );
    const requests = fc.array(fc.record({ route: fc.constantFrom(...ROUTES), seconds }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(requests, async (observed) => {
        const { lane, other, page } = setUp();
        for (const [index, one] of observed.entries()) {
          (index % 2 === 0 ? lane : other).request(one.route, 200, one.seconds);
        }
        const { samples } = (await page()).get("sandboxgw_http_request_duration_seconds") as Family;
        for (const route of ROUTES) {
          const mine = observed.filter((one) => one.route === route);
          const ofRoute = samples.filter(({ labels }) => labels["route"] === route);
          const buckets = ofRoute.filter(({ name }) => name.endsWith("_bucket"));
          expect(buckets.map(({ labels }) => labels["le"])).toEqual([...LATENCY_BUCKETS.map(String), "+Inf"]);
          expect(buckets.map(({ value }) => value)).toEqual(
            [...LATENCY_BUCKETS, Number.POSITIVE_INFINITY].map((le) => mine.filter((one) => one.seconds <= le).length),
          );
          const [sum, count] = ofRoute.slice(-2).map(({ value }) => value);
          expect(sum).toBeCloseTo(
            mine.reduce((total, one) => total + one.seconds, 0),
            6,
          );
          expect(count).toBe(mine.length);
        }
      }),
      { numRuns: 30 },
    );
  });
});

test("the page tells what health checks say, and how many sandboxes are in trouble", async () => {
  const families = await setUp({
    health: {
      checked: () => 9,
      down: () => 4,
      counts: { well: 7, failed: 2 },
      changes: { well: 1, down: 1 },
      outlooks: () =>
        new Map([
          ["a", "panic"],
          ["b", "down"],
          ["c", "panic"],
        ]),
    },
  }).page();
  expect(valueOf(families, "sandboxgw_instances_checked")).toBe(9);
  expect(valueOf(families, "sandboxgw_instances_down")).toBe(4);
  expect(valueOf(families, "sandboxgw_sandboxes_troubled", { outlook: "panic" })).toBe(2);
  expect(valueOf(families, "sandboxgw_sandboxes_troubled", { outlook: "down" })).toBe(1);
  expect(valueOf(families, "sandboxgw_health_checks_total", { result: "failed" })).toBe(2);
  expect(valueOf(families, "sandboxgw_health_changes_total", { to: "down" })).toBe(1);
});
