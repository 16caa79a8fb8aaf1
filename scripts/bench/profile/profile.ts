import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readShares, type Share } from "./cpu-profile.ts";
import { threadTimes } from "../machine/cpu-time.ts";
import { LAYERS } from "./layers.ts";
import { saturate } from "../load/load.ts";
import type { Options } from "../options.ts";
import { CORE } from "../machine/processes.ts";
import { table } from "../report/report.ts";
import type { Bench, Started } from "../target.ts";
import { startGateway } from "../targets/gateway.ts";

const WARM_UP_SECONDS = 3;
const SAMPLING_MICROSECONDS = 250;
const SHOWN_FUNCTIONS = 40;

/**
 * Says where the gateway's microseconds go. Two runs: one as it is, for the CPU time of each thread by the kernel's count; one under
 * V8's profiler, for how each thread divides its time. The profiles are left beside the JSON file for a browser's tools.
 */
export async function profileGateway(bench: Bench, options: Options): Promise<void> {
  const plain = await run(bench, options, []);
  const folder = mkdtempSync(path.join(bench.folder, "profile-"));
  const flags = ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${SAMPLING_MICROSECONDS}`];
  const profiled = await run(bench, options, flags);

  const keep = path.join(path.dirname(options.json), "profile");
  rmSync(keep, { recursive: true, force: true });
  mkdirSync(keep, { recursive: true });
  const shares: Record<"control" | "data", Share[]> = { control: [], data: [] };
  for (const file of readdirSync(folder)) {
    // CPU.<date>.<time>.<pid>.<thread>.<sequence>.cpuprofile; Node numbers its threads from 0, the main one.
    const thread = file.split(".")[4] === "0" ? "control" : "data";
    const kept = path.join(keep, `${thread}.cpuprofile`);
    renameSync(path.join(folder, file), kept);
    shares[thread] = readShares(kept, profiled.from, profiled.to);
  }

  console.log(`\nCPU µs per request over ${plain.requests} requests, ${options.connections} connections`);
  console.log(`(under the profiler ${total(profiled.threads).toFixed(1)})\n`);
  console.log(`${layersTable(plain.threads, shares)}\n\n${functionsTable(plain.threads, shares)}`);
  console.error(`\nprofiles: ${keep}`);
}

/** CPU microseconds per request. */
interface Threads {
  readonly control: number;
  readonly data: number;
  /** V8's helpers (garbage collection, compiler), libuv's pool. */
  readonly helpers: number;
  readonly helpersByName: ReadonlyMap<string, number>;
}

interface Run {
  readonly requests: number;
  readonly threads: Threads;
  /** The time of load on the monotonic clock, in microseconds. */
  readonly from: number;
  readonly to: number;
}

async function run(bench: Bench, options: Options, nodeOptions: readonly string[]): Promise<Run> {
  const started = await startGateway(bench, { nodeOptions });
  const load = {
    url: started.url,
    authorization: `Bearer ${started.token}`,
    connections: options.connections,
  };
  if (nodeOptions.length > 0) await separateThreads(bench, started);
  await saturate(bench.processes, { ...load, seconds: WARM_UP_SECONDS });
  const [before, from] = [threadTimes(started.pid), monotonic()];
  const { requests } = await saturate(bench.processes, { ...load, seconds: options.seconds });
  const to = monotonic();
  await sleep(250);
  const threads = divide(started, before, requests);
  await bench.processes.stop(started.pid);
  return { requests, threads, from, to };
}

/**
 * Moves the control thread to the other core. V8 samples by the clock, so a data thread that is put aside for the control thread
 * it has just woken would be charged with that thread's time, all of it in postMessage.
 */
async function separateThreads({ processes }: Bench, { pid }: Started): Promise<void> {
  await processes.run({ program: "taskset", args: ["-cp", String(CORE.load), String(pid)], core: CORE.load }, 5);
}

function divide({ pid }: Started, before: ReturnType<typeof threadTimes>, requests: number): Threads {
  const threads = { control: 0, data: 0, helpers: 0, helpersByName: new Map<string, number>() };
  for (const [id, { name, cpu }] of threadTimes(pid)) {
    const role = id === pid ? "control" : DATA_THREAD.test(name) ? "data" : "helpers";
    const cost = (cpu - (before.get(id)?.cpu ?? 0)) / requests;
    threads[role] += cost;
    if (role === "helpers") threads.helpersByName.set(name, (threads.helpersByName.get(name) ?? 0) + cost);
  }
  return threads;
}

/** What Node calls a worker thread that has no name of its own. */
const DATA_THREAD = /^(WorkerThread|data)/;

function layersTable(threads: Threads, shares: Record<"control" | "data", Share[]>): string {
  const of = (thread: "control" | "data", layer: string) =>
    threads[thread] * shares[thread].reduce((sum, share) => sum + (share.layer === layer ? share.share : 0), 0);
  const line = (name: string, data: number, control: number, helpers = 0) => [
    name,
    ...[data, control, data + control + helpers].map((value) => value.toFixed(1)),
    `${(((data + control + helpers) / total(threads)) * 100).toFixed(0)} %`,
  ];
  const rows = LAYERS.map((layer) => line(layer, of("data", layer), of("control", layer)));
  for (const [name, cost] of threads.helpersByName)
    if (cost > 0.05) rows.push(line(`other thread ${name}`, 0, 0, cost));
  rows.push(line("all", threads.data, threads.control, threads.helpers));
  return table(["layer", "data thread", "control thread", "together", "share"], rows);
}

function functionsTable(threads: Threads, shares: Record<"control" | "data", Share[]>): string {
  const functions = (["data", "control"] as const).flatMap((thread) =>
    shares[thread].map(({ layer, where, share }) => ({ thread, layer, where, cost: share * threads[thread] })),
  );
  functions.sort((a, b) => b.cost - a.cost);
  const rows = functions
    .slice(0, SHOWN_FUNCTIONS)
    .map(({ thread, layer, where, cost }) => [cost.toFixed(2), thread, layer, where]);
  return table(["µs", "thread", "layer", "function"], rows);
}

function total({ control, data, helpers }: Threads): number {
  return control + data + helpers;
}

function monotonic(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
