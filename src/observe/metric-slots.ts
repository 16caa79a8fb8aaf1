import { ERROR_CODES, type ErrorCode } from "../errors.ts";

// Every counter of the data path has a fixed place in a lane of shared memory: counting is one addition, labels are
// bounded by construction, and the control thread reads the sums when it is asked.

/** Upper bounds of the latency histogram in seconds; the last bucket is +Inf. */
export const LATENCY_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

export const ROUTES = ["proxy", "execute", "api", "health", "preflight", "none"] as const;
export type RouteKind = (typeof ROUTES)[number];

/** How a forwarded request ended, seen from the gateway. */
export const OUTCOMES = ["delivered", "unreachable", "broken", "timeout", "client_gone", "cut"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What became of a try that was followed by another. */
export const RETRY_REASONS = ["busy", "unreachable", "broken", "unavailable"] as const;
export type RetryReason = (typeof RETRY_REASONS)[number];

export const AUTH_FAILURES = ["missing", "malformed", "expired", "revoked", "invalid", "forbidden"] as const;
export type AuthFailure = (typeof AUTH_FAILURES)[number];

const PER_ROUTE = LATENCY_BUCKETS.length + 2; // buckets, +Inf, sum
const STATUS_CLASSES = 5;

const LATENCY = 0;
const STATUS = LATENCY + ROUTES.length * PER_ROUTE;
const OUTCOME = STATUS + ROUTES.length * STATUS_CLASSES;
const AUTH_SUCCESS = OUTCOME + OUTCOMES.length;
const AUTH_FAILURE = AUTH_SUCCESS + 1;
const ERROR = AUTH_FAILURE + AUTH_FAILURES.length;
const RETRIES = ERROR + ERROR_CODES.length;

/** Length of one thread's lane, in numbers. */
export const METRIC_SLOTS = RETRIES + RETRY_REASONS.length;

const ROUTE_INDEX = indexOf(ROUTES);
const OUTCOME_INDEX = indexOf(OUTCOMES);
const AUTH_FAILURE_INDEX = indexOf(AUTH_FAILURES);
const ERROR_INDEX = indexOf(ERROR_CODES);
const RETRY_INDEX = indexOf(RETRY_REASONS);

/** One thread's counters. Only that thread writes them. */
export class MetricLane {
  readonly #lane: Float64Array;

  constructor(lane: Float64Array) {
    this.#lane = lane;
  }

  request(route: RouteKind, status: number, seconds: number): void {
    const index = ROUTE_INDEX[route];
    let bucket = 0;
    while (bucket < LATENCY_BUCKETS.length && seconds > (LATENCY_BUCKETS[bucket] as number)) bucket++;
    const base = LATENCY + index * PER_ROUTE;
    this.#add(base + bucket, 1);
    this.#add(base + PER_ROUTE - 1, seconds);
    this.#add(STATUS + index * STATUS_CLASSES + Math.min(4, Math.max(0, Math.floor(status / 100) - 1)), 1);
  }

  outcome(outcome: Outcome): void {
    this.#add(OUTCOME + OUTCOME_INDEX[outcome], 1);
  }

  authSuccess(): void {
    this.#add(AUTH_SUCCESS, 1);
  }

  authFailure(reason: AuthFailure): void {
    this.#add(AUTH_FAILURE + AUTH_FAILURE_INDEX[reason], 1);
  }

  error(code: ErrorCode): void {
    this.#add(ERROR + ERROR_INDEX[code], 1);
  }

  retry(reason: RetryReason): void {
    this.#add(RETRIES + RETRY_INDEX[reason], 1);
  }

  #add(slot: number, amount: number): void {
    this.#lane[slot] = (this.#lane[slot] as number) + amount;
  }
}

/** The sums over all lanes, by the names they have on the metrics page. */
export class MetricTotals {
  readonly #lanes: readonly Float64Array[];

  constructor(lanes: readonly Float64Array[]) {
    this.#lanes = lanes;
  }

  /** Not cumulative: requests per bucket, the last one being +Inf; sum in seconds. */
  latency(route: RouteKind): { readonly buckets: readonly number[]; readonly sum: number } {
    const base = LATENCY + ROUTE_INDEX[route] * PER_ROUTE;
    const buckets = Array.from({ length: PER_ROUTE - 1 }, (_, bucket) => this.#sum(base + bucket));
    return { buckets, sum: this.#sum(base + PER_ROUTE - 1) };
  }

  /** `statusClass` 1 to 5. */
  status(route: RouteKind, statusClass: number): number {
    return this.#sum(STATUS + ROUTE_INDEX[route] * STATUS_CLASSES + statusClass - 1);
  }

  outcome(outcome: Outcome): number {
    return this.#sum(OUTCOME + OUTCOME_INDEX[outcome]);
  }

  authSuccess(): number {
    return this.#sum(AUTH_SUCCESS);
  }

  authFailure(reason: AuthFailure): number {
    return this.#sum(AUTH_FAILURE + AUTH_FAILURE_INDEX[reason]);
  }

  error(code: ErrorCode): number {
    return this.#sum(ERROR + ERROR_INDEX[code]);
  }

  retries(reason: RetryReason): number {
    return this.#sum(RETRIES + RETRY_INDEX[reason]);
  }

  #sum(slot: number): number {
    let sum = 0;
    for (const lane of this.#lanes) sum += lane[slot] as number;
    return sum;
  }
}

function indexOf<T extends string>(names: readonly T[]): Readonly<Record<T, number>> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as Record<T, number>;
}
