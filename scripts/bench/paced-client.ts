// A client that keeps a rate instead of a number of waiting connections, so that a stall is felt by every request that falls due in it.
// Arguments: url, requests per second, connections, seconds. Prints one line of JSON.

import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";

const WARM_UP_MS = 1000;

const [address = "", ...numbers] = process.argv.slice(2);
const [rate = 0, connections = 0, seconds = 0] = numbers.map(Number);
const url = new URL(address);
const headers = { authorization: process.env["BENCH_AUTHORIZATION"] ?? "" };
const pool = new Pool(url.origin, { connections, pipelining: 1, allowH2: false });
const warm = rate * (WARM_UP_MS / 1000);
const total = warm + rate * seconds;

const latencies: number[] = [];
const pending = new Set<Promise<void>>();
let failed = 0;

const start = performance.now();
for (let sent = 0; sent < total; await sleep(1)) {
  for (const due = ((performance.now() - start) * rate) / 1000; sent < Math.min(due, total); sent++) {
    const call = get(sent >= warm).finally(() => pending.delete(call));
    pending.add(call);
  }
}
await Promise.all(pending);
await pool.close();

latencies.sort((a, b) => a - b);
const percentile = (p: number) => Math.round((latencies[Math.floor((latencies.length - 1) * p)] ?? 0) * 1000);
console.log(JSON.stringify({ requests: latencies.length, failed, p50_us: percentile(0.5), p99_us: percentile(0.99) }));

/** One request; its latency includes the wait for a free connection, but not this client's own lateness. */
async function get(counted: boolean): Promise<void> {
  const began = performance.now();
  try {
    const { statusCode, body } = await pool.request({ method: "GET", path: url.pathname, headers });
    await body.dump();
    if (statusCode !== 200) failed++;
  } catch {
    failed++;
  }
  if (counted) latencies.push(performance.now() - began);
}
