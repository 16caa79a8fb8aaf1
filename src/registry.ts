// Every built-in plug-in by the name people use for it: the only list of them.

import type { Config } from "./config/schema.ts";
import type { Driver, InstanceObserver } from "./drivers/driver.ts";
import { StaticDriver } from "./drivers/static.ts";
import { WasmDriver } from "./drivers/wasm/driver.ts";
import { RoundRobin } from "./proxy/balance/round-robin.ts";
import type { Strategy } from "./proxy/balance/strategy.ts";
import { GenericRuntime } from "./runtimes/generic.ts";
import type { Runtime } from "./runtimes/runtime.ts";

export const RUNTIME_NAMES = ["generic"] as const;

/** `managed`: the daemon starts the instances itself. */
export const DRIVERS = { static: { managed: false }, wasm: { managed: true } } as const;

export const STRATEGY_NAMES = ["round-robin"] as const;

export function createRuntimes(config: Config): Record<(typeof RUNTIME_NAMES)[number], Runtime> {
  return { generic: new GenericRuntime({ members: config.MAX_JSON_MEMBERS }) };
}

export function createStrategies(): Record<(typeof STRATEGY_NAMES)[number], Strategy> {
  return { "round-robin": new RoundRobin() };
}

export function createDrivers(options: {
  config: Config;
  runDirectory: string;
  cacheDirectory: string;
  observe: InstanceObserver;
}): Record<keyof typeof DRIVERS, Driver> {
  const { config, runDirectory, cacheDirectory, observe } = options;
  const limits = {
    timeoutMs: config.SANDBOX_RUN_TIMEOUT,
    maxTimeoutMs: config.EXECUTE_MAX_TIMEOUT,
    outputBytes: config.SANDBOX_OUTPUT_LIMIT,
    memoryBytes: config.SANDBOX_MEMORY,
    maxRuns: config.SANDBOX_MAX_RUNS,
    bodyBytes: config.MAX_BODY_SIZE,
  };
  return { static: new StaticDriver(), wasm: new WasmDriver({ runDirectory, cacheDirectory, limits, observe }) };
}
