// What a connection costs that does nothing: the gateway's memory before and after many of them were opened.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { saturate } from "../load/load.ts";
import { freePort } from "../machine/free-port.ts";
import { CORE } from "../machine/processes.ts";
import type { Options } from "../options.ts";
import { table } from "../report/report.ts";
import type { Bench } from "../target.ts";
import { startGateway } from "../targets/gateway.ts";

const KINDS = ["websocket", "kept alive"] as const;

/** Descriptors that one connection takes at most in one process, and what else a process has open. */
const DESCRIPTORS = { each: 2, beside: 200 } as const;

/** Long enough for V8 to collect what is no longer used once nothing happens any more. */
const SETTLE_MS = 12_000;
/** The gateway has been at work before, and its young generation is as large as it gets. */
const WARM_UP_SECONDS = 5;
const OPEN_SECONDS = 120;

/** Opens that many idle connections of each kind through a gateway of its own, and prints what each costs. */
export async function measureIdle(bench: Bench, { idle }: Options): Promise<void> {
  requireDescriptors(idle * DESCRIPTORS.each + DESCRIPTORS.beside);
  const rows: string[][] = [];
  for (const kind of KINDS) rows.push(await measureKind(bench, kind, idle));
  console.log(`\n${table(["connections", "idle", "before MB", "after MB", "KB each"], rows)}`);
}

async function measureKind(bench: Bench, kind: (typeof KINDS)[number], count: number): Promise<string[]> {
  const { processes } = bench;
  const upstreamPort = await freePort();
  const upstream = processes.start({
    program: process.execPath,
    args: [script("upstream.ts"), String(upstreamPort)],
    core: CORE.load,
  });
  await processes.ready(upstream, `http://127.0.0.1:${upstreamPort}/`);
  const most = String(count + 100);
  const gateway = await startGateway(
    { ...bench, upstreamPort },
    {
      settings: {
        MAX_CONNECTIONS: most,
        MAX_CONNECTIONS_PER_IP: most,
        MAX_TUNNELS: most,
        MAX_TUNNELS_PER_CALLER: most,
        MAX_TUNNELS_PER_SANDBOX: most,
        KEEP_ALIVE_TIMEOUT: "1h",
        PROXY_KEEPALIVE_TIMEOUT: "1h",
      },
    },
  );
  const authorization = `Bearer ${gateway.token}`;
  await saturate(processes, { url: gateway.url, authorization, connections: 64, seconds: WARM_UP_SECONDS });
  await sleep(SETTLE_MS);
  const before = residentBytes(gateway.pid);
  const client = processes.start({
    program: process.execPath,
    args: [script("client.ts"), gateway.url, kind, String(count)],
    env: { BENCH_AUTHORIZATION: authorization },
    core: CORE.load,
  });
  for (let waited = 0; !client.printed().includes("open "); waited += 1) {
    if (client.exited() || waited > OPEN_SECONDS * 10) throw new Error(`${kind}: ${client.printed()}`);
    await sleep(100);
  }
  await sleep(SETTLE_MS);
  if (client.exited()) throw new Error(`${kind}: ${client.printed()}`);
  const after = residentBytes(gateway.pid);
  for (const { pid } of [client, gateway, upstream]) await processes.stop(pid);
  return [kind, String(count), megabytes(before), megabytes(after), ((after - before) / count / 1024).toFixed(1)];
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

function requireDescriptors(needed: number): void {
  const [, soft = "0"] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
  if (Number(soft) < needed)
    throw new Error(`${needed} open files are needed, ${soft} are allowed: ulimit -n ${needed}`);
}

/** What the process has in memory. */
function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return Number(kilobytes) * 1024;
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
