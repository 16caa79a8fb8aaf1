import { setTimeout as sleep } from "node:timers/promises";
import { busyTime, cpuTime } from "./machine/cpu-time.ts";
import { pace, saturate } from "./load/load.ts";
import type { Options } from "./options.ts";
import { CORE } from "./machine/processes.ts";
import type { Bench, Started } from "./target.ts";

/** What is done after the last answer (relaxed audit, logs) belongs to the cost too. */
const SETTLE_MS = 250;
const TOLERATED_NOISE = 0.1;
const PACED = { connections: 16, seconds: 4 } as const;

/** One turn of one target under full load. Times in microseconds. */
export interface Sample {
  readonly requestsPerSecond: number;
  readonly cpuPerRequest: number;
  readonly p50: number;
  readonly p99: number;
  /** Answers that were not 2xx, and connections that broke. */
  readonly failed: number;
  /** Share of the target's core that other processes and the hypervisor took meanwhile; 0 on a quiet machine. */
  readonly noise: number;
}

/** What a target adds to the upstream's own latency at a fixed rate, in microseconds. */
export interface AddedLatency {
  readonly p50: number;
  readonly p99: number;
}

/** A turn that others disturbed is repeated, twice at most, and the quietest one counts. */
export async function measureQuietly(started: Started, bench: Bench, options: Options): Promise<Sample> {
  let best = await measure(started, bench, options);
  for (let again = 0; again < 2 && best.noise > TOLERATED_NOISE; again++) {
    const sample = await measure(started, bench, options);
    if (sample.noise < best.noise) best = sample;
  }
  return best;
}

export async function measure(started: Started, { processes }: Bench, options: Options): Promise<Sample> {
  const { connections, seconds } = options;
  const before = { cpu: cpuTime(started.pid), busy: busyTime(CORE.target), at: performance.now() };
  const report = await saturate(processes, {
    url: started.url,
    authorization: `Bearer ${started.token}`,
    connections,
    seconds,
  });
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

/** Throws when a request failed. */
export async function addedLatency(started: Started, bench: Bench, rate: number): Promise<AddedLatency> {
  const { direct, through } = await pace(bench.processes, {
    ...PACED,
    rate,
    directUrl: `http://127.0.0.1:${bench.upstreamPort}/`,
    url: started.url,
    authorization: `Bearer ${started.token}`,
  });
  if (through.failed > 0) throw new Error(`${through.failed} requests failed at ${rate} requests/s`);
  return { p50: through.p50_us - direct.p50_us, p99: through.p99_us - direct.p99_us };
}
