// A client that keeps a rate instead of a number of waiting connections, so that a stall is felt by every request due in it.
// It calls the upstream directly and through a target in turns, half a second each, so that both see the same machine.
// Arguments: both URLs, requests per second, connections, seconds for each. Prints one line of JSON.

import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";

const TURN_SECONDS = 0.5;
const WARM_UP_TURNS = 2;

interface Way {
  readonly path: string;
  readonly pool: Pool;
  /** Milliseconds. */
  latencies: number[];
  failed: number;
}

const [directly = "", through = "", ...numbers] = process.argv.slice(2);
const [rate = 0, connections = 0, seconds = 0] = numbers.map(Number);
const headers = { authorization: process.env["BENCH_AUTHORIZATION"] ?? "" };
const ways = { direct: open(directly), through: open(through) };

for (let turn = 0; turn < WARM_UP_TURNS + seconds / TURN_SECONDS; turn++) {
  if (turn === WARM_UP_TURNS) for (const way of Object.values(ways)) way.latencies = [];
  for (const way of Object.values(ways)) await keepRate(way);
}
for (const way of Object.values(ways)) await way.pool.close();
console.log(JSON.stringify({ direct: summary(ways.direct), through: summary(ways.through) }));

function open(address: string): Way {
  const { origin, pathname } = new URL(address);
  const pool = new Pool(origin, { connections, pipelining: 1, allowH2: false });
  return { path: pathname, pool, latencies: [], failed: 0 };
}

async function keepRate(way: Way): Promise<void> {
  const calls: Promise<void>[] = [];
  const [start, total] = [performance.now(), rate * TURN_SECONDS];
  while (calls.length < total) {
    const due = Math.min(total, ((performance.now() - start) * rate) / 1000);
    while (calls.length < due) calls.push(get(way));
    await sleep(1);
  }
  await Promise.all(calls);
}

/** One request; its latency includes the wait for a free connection, but not this client's own lateness. */
async function get(way: Way): Promise<void> {
  const began = performance.now();
  try {
    const { statusCode, body } = await way.pool.request({ method: "GET", path: way.path, headers });
    await body.dump();
    if (statusCode !== 200) way.failed++;
  } catch {
    way.failed++;
  }
  way.latencies.push(performance.now() - began);
}

function summary({ latencies, failed }: Way) {
  latencies.sort((a, b) => a - b);
  const percentile = (p: number) => Math.round((latencies[Math.floor((latencies.length - 1) * p)] ?? 0) * 1000);
  return { requests: latencies.length, failed, p50_us: percentile(0.5), p99_us: percentile(0.99) };
}
