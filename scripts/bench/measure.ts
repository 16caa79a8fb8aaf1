import { setTimeout as sleep } from "node:timers/promises";
import { busyTime, cpuTime } from "./cpu-time.ts";
import { pace, saturate } from "./load.ts";
import type { Options } from "./options.ts";
import { CORE } from "./processes.ts";
import type { Bench, Started, Target } from "./target.ts";

const WARM_UP_SECONDS = 2;
/** What is done after the last answer (relaxed audit, logs) belongs to the cost too. */
const SETTLE_MS = 250;
const PACED = { connections: 16, seconds: 4 } as const;

/** One visit to one target. Times in microseconds. */
export interface Sample {
  readonly requestsPerSecond: number;
  readonly cpuPerRequest: number;
  readonly p50: number;
  readonly p99: number;
  /** Answers that were not 2xx, and connections that broke. */
  readonly failed: number;
  /** Share of the target's core that other processes and the hypervisor took meanwhile; 0 on a quiet machine. */
  readonly noise: number;
  /** What the target adds to the upstream's own latency at a fixed rate. */
  readonly added?: { readonly p50: number; readonly p99: number };
}

/** Starts the target, loads it, stops it. */
export async function measure(target: Target, bench: Bench, options: Options): Promise<Sample> {
  const started = await target.start(bench);
  try {
    const sample = await saturated(started, bench, options);
    if (target.paced !== true || options.rate === 0) return sample;
    return { ...sample, added: await addedLatency(started, bench, options.rate) };
  } finally {
    await bench.processes.stop(started.pid);
  }
}

async function saturated(started: Started, { processes }: Bench, { connections, seconds }: Options): Promise<Sample> {
  const load = { url: started.url, authorization: `Bearer ${started.token}`, connections };
  await saturate(processes, { ...load, seconds: WARM_UP_SECONDS });
  const before = { cpu: cpuTime(started.pid), busy: busyTime(CORE.target), at: performance.now() };
  const report = await saturate(processes, { ...load, seconds });
  await sleep(SETTLE_MS);
  const cpu = cpuTime(started.pid) - before.cpu;
  const foreign = busyTime(CORE.target) - before.busy - cpu;
  return {
    requestsPerSecond: (report.requests * 1e6) / report.duration_us,
    cpuPerRequest: cpu / report.requests,
    p50: report.p50_us,
    p99: report.p99_us,
    failed: report.refused + report.broken,
    noise: Math.max(0, foreign / ((performance.now() - before.at) * 1000)),
  };
}

async function addedLatency(started: Started, { processes, upstreamPort }: Bench, rate: number) {
  const { url, token } = started;
  const directUrl = `http://127.0.0.1:${upstreamPort}/`;
  const { direct, through } = await pace(processes, {
    ...PACED,
    rate,
    url,
    directUrl,
    authorization: `Bearer ${token}`,
  });
  if (through.failed > 0) throw new Error(`${through.failed} requests failed at ${rate} requests/s`);
  return { p50: through.p50_us - direct.p50_us, p99: through.p99_us - direct.p99_us };
}
