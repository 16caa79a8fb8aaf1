// What follows from the configuration by arithmetic: "auto" worked out, and limits that depend on others.

import type { Config } from "../config/schema.ts";
import type { HealthDefaults } from "../domain/instance/health.ts";
import type { CircuitLimits } from "../proxy/health/circuits.ts";
import type { HealthLimits } from "../proxy/health/loop/health-loop.ts";
import { BODY_UNIT } from "../limits/body-memory.ts";
import type { GateLimits } from "../limits/concurrency.ts";
import type { TunnelLimits } from "../limits/tunnels/tunnels.ts";
import type { Rate } from "../domain/value/quantities.ts";
import type { RateKind } from "../limits/rate/rate-limits.ts";
import type { MinimumRate } from "../proxy/request/transfer-rate.ts";

export function gateLimits(config: Config): GateLimits {
  const max = config.MAX_CONCURRENT_REQUESTS;
  return {
    max,
    maxPerCaller: orElse(config.MAX_CONCURRENT_PER_CALLER, Math.ceil(max / 4)),
    // More than a caller's, or one caller could take all of a sandbox that others use too.
    maxPerSandbox: orElse(config.MAX_CONCURRENT_PER_SANDBOX, Math.ceil(max / 2)),
    maxPending: config.MAX_PENDING_REQUESTS,
    maxPendingPerCaller: Math.ceil(config.MAX_PENDING_REQUESTS / 4),
    maxAgeMs: config.QUEUE_TIMEOUT,
    targetMs: config.QUEUE_TARGET,
  };
}

export function streamLimits(config: Config): { max: number; share: number } {
  const max = config.MAX_STREAMS;
  return { max, share: orElse(config.MAX_STREAMS_PER_CALLER, Math.ceil(max / 10)) };
}

export function tunnelLimits(config: Config): TunnelLimits {
  const max = config.MAX_TUNNELS;
  return {
    max,
    maxPerCaller: orElse(config.MAX_TUNNELS_PER_CALLER, Math.ceil(max / 10)),
    // More than a caller's, or one caller could take all of a sandbox that others use too.
    maxPerSandbox: orElse(config.MAX_TUNNELS_PER_SANDBOX, Math.ceil(max / 2)),
  };
}

/** In units of BODY_UNIT. A caller may have a quarter, and everybody one body of the largest size. */
export function bodyMemoryLimits(config: Config): { max: number; share: number } {
  const one = Math.ceil(config.MAX_BODY_SIZE / BODY_UNIT);
  const max = Math.max(one, Math.floor(config.MAX_BUFFERED_BODIES / BODY_UNIT));
  return { max, share: Math.max(one, Math.ceil(max / 4)) };
}

export function minimumRate(config: Config): MinimumRate {
  return { bytesPerSecond: config.MIN_TRANSFER_RATE, afterMs: 10_000 };
}

/** Callers at one address whose limits together make the address's, unless it is set. */
const CALLERS_AT_ADDRESS = 10;

export function ratesOf(config: Config): Readonly<Record<RateKind, Rate>> {
  const api = rate(config.RATE_LIMIT_REQUESTS, config.RATE_LIMIT_WINDOW, config.RATE_LIMIT_BURST);
  const proxy = rate(config.PROXY_RATE_LIMIT_REQUESTS, config.PROXY_RATE_LIMIT_WINDOW, config.PROXY_RATE_LIMIT_BURST);
  const { windowMs } = api;
  const ofCaller = api.requests + (proxy.requests * windowMs) / proxy.windowMs;
  const all = orElse(config.ADDRESS_RATE_LIMIT_REQUESTS, Math.ceil(ofCaller * CALLERS_AT_ADDRESS));
  return { api, proxy, address: rate(all, windowMs, "auto") };
}

/**
 * Longer than all waits that have deadlines of their own and may follow each other without a byte to or from the client, so
 * that it only catches what those do not see.
 */
export function longestSilence(config: Config): number {
  const attempts = 1 + config.MAX_RETRIES;
  const before = config.QUEUE_TIMEOUT + attempts * (config.PROXY_POOL_TIMEOUT + config.PROXY_CONNECT_TIMEOUT);
  const waits = [
    before + config.PROXY_TIMEOUT,
    before + config.EXECUTE_MAX_TIMEOUT,
    config.PROXY_STREAM_IDLE_TIMEOUT,
    config.PROXY_SEND_TIMEOUT,
    config.KEEP_ALIVE_TIMEOUT,
  ];
  return Math.max(...waits) + 15_000;
}

function rate(requests: number, windowMs: number, burst: "auto" | number): Rate {
  return { requests, windowMs, burst: orElse(burst, requests) };
}

function orElse(chosen: "auto" | number, automatic: number): number {
  return chosen === "auto" ? automatic : chosen;
}

/** When the circuit of an instance opens. */
export function circuitLimits(config: Config): CircuitLimits {
  return {
    failures: config.CIRCUIT_FAILURE_THRESHOLD,
    errorRate: config.CIRCUIT_ERROR_RATE / 100,
    windowMs: config.CIRCUIT_WINDOW,
    minRequests: config.CIRCUIT_MIN_REQUESTS,
    openMs: config.CIRCUIT_OPEN_DURATION,
    maxOpenMs: config.CIRCUIT_OPEN_MAX,
    // Whoever tries it hears within this time whether it answers.
    probeMs: config.PROXY_POOL_TIMEOUT + config.PROXY_CONNECT_TIMEOUT + config.PROXY_TIMEOUT,
  };
}

/** How instances are checked whose sandboxes do not say otherwise. */
export function healthDefaults(config: Config): HealthDefaults {
  return {
    kind: config.HEALTH_CHECK,
    path: config.HEALTH_CHECK_PATH,
    statuses: config.HEALTH_CHECK_STATUS,
    intervalMs: config.HEALTH_CHECK_INTERVAL,
    timeoutMs: config.HEALTH_CHECK_TIMEOUT,
    rise: config.HEALTHY_THRESHOLD,
    fall: config.UNHEALTHY_THRESHOLD,
    panicThreshold: config.PANIC_THRESHOLD,
  };
}

export function healthLimits(config: Config): HealthLimits {
  return {
    defaults: healthDefaults(config),
    concurrency: config.HEALTH_CHECK_CONCURRENCY,
    programs: config.HEALTH_PROGRAMS,
  };
}
