import { Counter, Gauge, type Metric, type Registry } from "prom-client";

export interface HealthSource {
  /** How many instances are checked, and how many of them are down. */
  checked(): number;
  down(): number;
  /** Checks by what came of them, and changes by what instances are since, both since the start. */
  readonly counts: Readonly<Record<"well" | "failed", number>>;
  readonly changes: Readonly<Record<"well" | "down", number>>;
  /** Of the sandboxes that are not fine, by id: `panic` or `down`. */
  outlooks(): ReadonlyMap<string, string>;
}

/** What the metrics page says of health checks; how each instance is, `sandboxgw_instance_up` tells. */
export function healthMetrics(health: HealthSource): readonly Metric[] {
  const registers: Registry[] = [];
  return [
    new Gauge({
      name: "sandboxgw_instances_checked",
      help: "Instances that are asked whether they are well.",
      registers,
      collect() {
        this.set(health.checked());
      },
    }),
    new Gauge({
      name: "sandboxgw_instances_down",
      help: "Those of them that are down.",
      registers,
      collect() {
        this.set(health.down());
      },
    }),
    new Gauge({
      name: "sandboxgw_sandboxes_troubled",
      help: "Sandboxes of which too few instances are well (panic: all are used), or none is (down).",
      labelNames: ["outlook"],
      registers,
      collect() {
        const troubled = [...health.outlooks().values()];
        for (const outlook of ["panic", "down"])
          this.set({ outlook }, troubled.filter((one) => one === outlook).length);
      },
    }),
    new Counter({
      name: "sandboxgw_health_checks_total",
      help: "Health checks that were made, by what came of them.",
      labelNames: ["result"],
      registers,
      collect() {
        this.reset();
        for (const result of ["well", "failed"] as const) this.inc({ result }, health.counts[result]);
      },
    }),
    new Counter({
      name: "sandboxgw_health_changes_total",
      help: "Instances that went down or became well, as health checks say.",
      labelNames: ["to"],
      registers,
      collect() {
        this.reset();
        for (const to of ["well", "down"] as const) this.inc({ to }, health.changes[to]);
      },
    }),
  ];
}
