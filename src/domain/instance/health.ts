import { isManaged, type Sandbox } from "../sandbox.ts";
import type { StatusRange } from "../value/health.ts";

/**
 * What the checks say of an instance: `unchecked` until the first has ended, and where there are none. The order is the one
 * in which shared memory numbers them.
 */
export const HEALTH_STATES = ["unchecked", "well", "down"] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

/** How an instance is asked whether it is well. */
export type CheckKind = "http" | "tcp" | "exec";

/** A sandbox's health check with everything decided. Times in ms. */
export interface HealthCheck {
  readonly kind: CheckKind;
  readonly path: string;
  readonly statuses: readonly StatusRange[];
  /** Name of the program; "" but for exec. */
  readonly program: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
}

/** What holds for sandboxes that do not say otherwise. */
export interface HealthDefaults extends Omit<HealthCheck, "kind" | "program"> {
  readonly kind: "off" | "http" | "tcp";
  /** Percent. */
  readonly panicThreshold: number;
}

/** While an instance fails it is asked so many times as often, but not more often than this. */
const FASTER = 5;
const FASTEST_MS = 1_000;

/** How a sandbox's instances are checked; undefined = not at all. Those that the gateway starts, only when asked for. */
export function healthCheckOf({ settings, instances }: Sandbox, defaults: HealthDefaults): HealthCheck | undefined {
  const kind = settings.healthCheck ?? (instances.some(isManaged) ? "off" : defaults.kind);
  if (kind === "off") return undefined;
  return {
    kind,
    path: settings.healthPath ?? defaults.path,
    statuses: settings.healthStatus ?? defaults.statuses,
    program: settings.healthProgram ?? "",
    intervalMs: settings.healthInterval ?? defaults.intervalMs,
    timeoutMs: settings.healthTimeout ?? defaults.timeoutMs,
    rise: settings.healthRise ?? defaults.rise,
    fall: settings.healthFall ?? defaults.fall,
  };
}

/** Time between two checks of an instance that fails, or has failed lately. */
export function fastIntervalMs({ intervalMs }: Pick<HealthCheck, "intervalMs">): number {
  return Math.min(intervalMs, Math.max(FASTEST_MS, intervalMs / FASTER));
}

/** What the daemon tells of an instance that is down. */
export interface ObservedHealth {
  readonly sandbox_id: string;
  /** Why its last check failed; null when that went well, and too few have. */
  readonly problem: string | null;
  /** Milliseconds since the epoch. */
  readonly since_ms: number;
}

/** The instances that are down by id, of what a daemon wrote; what is not one is left out. */
export function observedHealth(written: unknown): ReadonlyMap<string, ObservedHealth> {
  const entries = typeof written === "object" && written !== null ? Object.entries(written) : [];
  return new Map(entries.filter((entry): entry is [string, ObservedHealth] => isObserved(entry[1])));
}

function isObserved(value: unknown): value is ObservedHealth {
  if (typeof value !== "object" || value === null) return false;
  const { sandbox_id: sandbox, problem, since_ms: since } = value as Partial<Record<keyof ObservedHealth, unknown>>;
  return typeof sandbox === "string" && (problem === null || typeof problem === "string") && Number.isFinite(since);
}
