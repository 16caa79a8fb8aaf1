// Measures the gateway beside its peers in one run: `npm run bench -- --help`.

import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { SignJWT } from "jose";
import { compare } from "./compare.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { Processes } from "./machine/processes.ts";
import { measureIdle } from "./idle/idle.ts";
import { profileGateway } from "./profile/profile.ts";
import { findProgram } from "./machine/program.ts";
import { ratios } from "./report/ratios.ts";
import { ratiosTable, resultsTable, toRow } from "./report/report.ts";
import type { Bench } from "./target.ts";
import { startUpstream } from "./load/upstream.ts";

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") console.log(USAGE);
  else await run(options);
} catch (error) {
  progress(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

async function run(options: Options): Promise<void> {
  checkMachine();
  const folder = mkdtempSync(path.join(os.tmpdir(), "sandboxgw-bench-"));
  const processes = new Processes(folder);
  const end = async () => {
    await processes[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void end().finally(() => process.exit(130)));
  }
  try {
    const bench = await prepare(processes, folder, options);
    if (options.profile) await profileGateway(bench, options);
    else if (options.idle > 0) await measureIdle(bench, options);
    else await report(bench, options);
  } finally {
    await end();
  }
}

async function prepare(processes: Processes, folder: string, { nodeOptions, sandboxes }: Options): Promise<Bench> {
  const tokenSecret = randomBytes(32).toString("hex");
  const token = await new SignJWT({ role: "executor" })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer("sandboxgw")
    .setAudience("sandboxgw")
    .setSubject("bench")
    .setJti("tok_bench0000000000000000")
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(Buffer.from(tokenSecret));
  const upstreamPort = await startUpstream(processes, folder);
  return { processes, folder, tokenSecret, token, upstreamPort, nodeOptions, sandboxes };
}

async function report(bench: Bench, options: Options): Promise<void> {
  const entrants = await compare(bench, options, progress);
  const rows = entrants.map(toRow);
  const figures = ratios(entrants);
  console.log(`\n${machine()}, ${options.connections} connections\n\n${resultsTable(rows)}\n\n${ratiosTable(figures)}`);
  mkdirSync(path.dirname(path.resolve(options.json)), { recursive: true });
  const json = JSON.stringify({ machine: machine(), options, rows, ratios: figures }, undefined, 2);
  writeFileSync(options.json, `${json}\n`);
  progress(`\nwritten to ${options.json}`);
}

function checkMachine(): void {
  if (process.platform !== "linux" || os.cpus().length < 2) {
    throw new Error("the bench needs Linux (/proc, taskset) and two cores");
  }
  const { missing } = findProgram("wrk", ["-v"], "wrk");
  if (missing !== undefined) throw new Error(missing);
}

function machine(): string {
  const cpus = os.cpus();
  return `${cpus.length} × ${cpus[0]?.model.trim()}, Linux ${os.release()}, Node ${process.versions.node}`;
}

function progress(line: string): void {
  console.error(line);
}
