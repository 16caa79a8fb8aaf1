import { Counter, Gauge, Registry } from "prom-client";
import type { Metric } from "prom-client";
import { ERROR_CODES } from "../errors.ts";
import type { Instance, Sandbox } from "../domain/sandbox.ts";
import { healthMetrics, type HealthSource } from "./health-metrics.ts";
import { AUTH_FAILURES, LATENCY_BUCKETS, type MetricTotals, OUTCOMES, RETRY_REASONS, ROUTES } from "./metric-slots.ts";

/** How many sandboxes, and instances of all of them, have series of their own: the page must not grow with the fleet. */
const MAX_SANDBOX_LABELS = 200;
const MAX_INSTANCE_LABELS = 1000;

export interface MetricSources {
  readonly totals: MetricTotals;
  readonly sandboxes: () => Iterable<Sandbox>;
  readonly instance: (instance: Instance) => { readonly state: string; readonly inFlight: number };
  readonly gate: () => { readonly taken: number; readonly pending: number };
  readonly connections: () => number;
  readonly streams: () => number;
  readonly tunnels: () => number;
  readonly tunnelsOf: (sandboxId: string) => number;
  readonly auditWorking: () => boolean;
  /** Audit records that could not be kept, since the start. */
  readonly auditDropped: () => number;
  readonly health: HealthSource;
  readonly version: string;
}

/** The metrics page's registry. Values are read from shared memory when the page is asked for, never pushed. */
export function createMetrics(sources: MetricSources): Registry {
  const registry = new Registry();
  const { totals } = sources;
  const registers: Registry[] = []; // not prom-client's global registry
  const metrics = [
    latencyHistogram(totals),
    ...healthMetrics(sources.health),
    new Counter({
      name: "sandboxgw_http_responses_total",
      help: "Responses by kind of route and class of status.",
      labelNames: ["route", "class"],
      registers,
      collect() {
        this.reset();
        for (const route of ROUTES) {
          for (let hundred = 1; hundred <= 5; hundred++)
            this.inc({ route, class: `${hundred}xx` }, totals.status(route, hundred));
        }
      },
    }),
    new Counter({
      name: "sandboxgw_proxied_requests_total",
      help: "Requests sent towards an instance, by how they ended.",
      labelNames: ["outcome"],
      registers,
      collect() {
        this.reset();
        for (const outcome of OUTCOMES) this.inc({ outcome }, totals.outcome(outcome));
      },
    }),
    new Counter({
      name: "sandboxgw_retries_total",
      help: "Further attempts after a failed one, by what became of that.",
      labelNames: ["reason"],
      registers,
      collect() {
        this.reset();
        for (const reason of RETRY_REASONS) this.inc({ reason }, totals.retries(reason));
      },
    }),
    new Counter({
      name: "sandboxgw_auth_successes_total",
      help: "Requests with a good token.",
      registers,
      collect() {
        this.reset();
        this.inc(totals.authSuccess());
      },
    }),
    new Counter({
      name: "sandboxgw_auth_failures_total",
      help: "Requests refused for who sent them, by reason.",
      labelNames: ["reason"],
      registers,
      collect() {
        this.reset();
        for (const reason of AUTH_FAILURES) this.inc({ reason }, totals.authFailure(reason));
      },
    }),
    new Counter({
      name: "sandboxgw_errors_total",
      help: "Error answers by code.",
      labelNames: ["code"],
      registers,
      collect() {
        this.reset();
        for (const code of ERROR_CODES) {
          const count = totals.error(code);
          if (count > 0) this.inc({ code }, count);
        }
      },
    }),
    new Gauge({
      name: "sandboxgw_requests_in_flight",
      help: "Requests being served.",
      registers,
      collect() {
        this.set(sources.gate().taken);
      },
    }),
    new Gauge({
      name: "sandboxgw_requests_waiting",
      help: "Requests waiting for a free place.",
      registers,
      collect() {
        this.set(sources.gate().pending);
      },
    }),
    new Gauge({
      name: "sandboxgw_connections",
      help: "Open client connections.",
      registers,
      collect() {
        this.set(sources.connections());
      },
    }),
    new Gauge({
      name: "sandboxgw_streams",
      help: "Answers that go on.",
      registers,
      collect() {
        this.set(sources.streams());
      },
    }),
    new Gauge({
      name: "sandboxgw_tunnels",
      help: "Upgraded connections, and offers of one.",
      registers,
      collect() {
        this.set(sources.tunnels());
      },
    }),
    new Gauge({
      name: "sandboxgw_sandbox_tunnels",
      help: "Upgraded connections of a sandbox that has any.",
      labelNames: ["sandbox"],
      registers,
      collect() {
        this.reset();
        if (sources.tunnels() === 0) return;
        let left = MAX_SANDBOX_LABELS;
        for (const { id: sandbox } of sources.sandboxes()) {
          const open = sources.tunnelsOf(sandbox);
          if (open > 0) this.set({ sandbox }, open);
          if (--left === 0) return;
        }
      },
    }),
    new Gauge({
      name: "sandboxgw_audit_working",
      help: "1 while audit records are being committed.",
      registers,
      collect() {
        this.set(sources.auditWorking() ? 1 : 0);
      },
    }),
    new Counter({
      name: "sandboxgw_audit_records_dropped_total",
      help: "Audit records that were dropped because too many waited to be written.",
      registers,
      collect() {
        this.reset();
        this.inc(sources.auditDropped());
      },
    }),
    new Gauge({
      name: "sandboxgw_instance_up",
      help: "1 up, 0 down or starting, -1 not known yet.",
      labelNames: ["sandbox", "instance"],
      registers,
      collect() {
        this.reset();
        for (const { sandboxId: sandbox, id: instance, state } of labelled(sources)) {
          this.set({ sandbox, instance }, state === "up" ? 1 : state === "unknown" ? -1 : 0);
        }
      },
    }),
    new Gauge({
      name: "sandboxgw_instance_in_flight",
      help: "Requests an instance is working on.",
      labelNames: ["sandbox", "instance"],
      registers,
      collect() {
        this.reset();
        for (const { sandboxId: sandbox, id: instance, inFlight } of labelled(sources)) {
          this.set({ sandbox, instance }, inFlight);
        }
      },
    }),
    new Gauge({
      name: "sandboxgw_build_info",
      help: "1, with the version as label.",
      labelNames: ["version", "node"],
      registers,
      collect() {
        this.set({ version: sources.version, node: process.version }, 1);
      },
    }),
  ];
  for (const metric of metrics as readonly Metric[]) registry.registerMetric(metric);
  return registry;
}

/** The instances that get labels of their own. */
function* labelled({ sandboxes, instance }: MetricSources) {
  let sandboxesLeft = MAX_SANDBOX_LABELS;
  let instancesLeft = MAX_INSTANCE_LABELS;
  for (const sandbox of sandboxes()) {
    if (sandboxesLeft-- === 0) return;
    for (const one of sandbox.instances) {
      if (instancesLeft-- === 0) return;
      yield { ...one, ...instance(one) };
    }
  }
}

/**
 * prom-client's own histogram can only be fed one observation at a time; this one is filled from the counters in shared
 * memory and gives the registry the same values.
 */
function latencyHistogram(totals: MetricTotals): Metric {
  const name = "sandboxgw_http_request_duration_seconds";
  const values = () =>
    ROUTES.flatMap((route) => {
      const { buckets, sum } = totals.latency(route);
      let count = 0;
      const cumulative = buckets.map((inBucket, index) => {
        count += inBucket;
        return { metricName: `${name}_bucket`, labels: { route, le: LATENCY_BUCKETS[index] ?? "+Inf" }, value: count };
      });
      return [
        ...cumulative,
        { metricName: `${name}_sum`, labels: { route }, value: sum },
        { metricName: `${name}_count`, labels: { route }, value: count },
      ];
    });
  const metric = {
    name,
    get: () =>
      Promise.resolve({
        name,
        help: "Time to the end of a response.",
        type: "histogram",
        aggregator: "sum",
        values: values(),
      }),
    reset: () => undefined,
  };
  return metric as unknown as Metric;
}
