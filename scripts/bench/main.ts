// Measures the gateway beside its peers in one run: `npm run bench -- --help`.

import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { SignJWT } from "jose";
import { measure, type Sample } from "./measure.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { Processes } from "./processes.ts";
import { profileGateway } from "./profile.ts";
import { findProgram } from "./program.ts";
import { ratios } from "./ratios.ts";
import { median, ratiosTable, resultsTable, type Row } from "./report.ts";
import type { Bench, Target } from "./target.ts";
import { TARGETS } from "./targets.ts";
import { startUpstream } from "./upstream.ts";

const wanted = parseOptions(process.argv.slice(2));
if (wanted === "help") console.log(USAGE);
else await main(wanted);

async function main(options: Options): Promise<void> {
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
    else await compare(bench, options);
  } finally {
    await end();
  }
}

async function prepare(processes: Processes, folder: string, { nodeOptions }: Options): Promise<Bench> {
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
  return { processes, folder, tokenSecret, token, upstreamPort, nodeOptions };
}

async function compare(bench: Bench, options: Options): Promise<void> {
  const targets = choose(options.only);
  const samples = new Map<Target, Sample[]>();
  // Interleaved, so that a slow minute of the machine hits every target alike.
  for (let round = 1; round <= options.rounds; round++) {
    for (const target of targets) {
      progress(`round ${round}/${options.rounds}  ${target.name}`);
      try {
        samples.set(target, [...(samples.get(target) ?? []), await measure(target, bench, options)]);
      } catch (error) {
        progress(`${target.name}: ${error instanceof Error ? error.message : String(error)}`);
        process.exitCode = 1;
      }
    }
  }
  const rows: Row[] = [...samples].map(([{ name, about }, rounds]) => ({
    name,
    about,
    median: median(rounds),
    rounds,
  }));
  const found = ratios(rows);
  console.log(`\n${machine()}, ${options.connections} connections\n\n${resultsTable(rows)}\n\n${ratiosTable(found)}`);
  mkdirSync(path.dirname(path.resolve(options.json)), { recursive: true });
  writeFileSync(
    options.json,
    `${JSON.stringify({ machine: machine(), options, rows, ratios: found }, undefined, 2)}\n`,
  );
  progress(`\nwritten to ${options.json}`);
}

/** The targets asked for that can run here; says what is left out and why. */
function choose(only: readonly string[]): Target[] {
  const unknown = only.filter((name) => !TARGETS.some((target) => target.name === name));
  if (unknown.length > 0) {
    throw new TypeError(
      `unknown target ${unknown.join(", ")}; there are ${TARGETS.map(({ name }) => name).join(", ")}`,
    );
  }
  const chosen = TARGETS.filter(({ name }) => only.length === 0 || only.includes(name));
  for (const { name, missing } of chosen) if (missing !== undefined) progress(`skipped: ${name}: ${missing}`);
  return chosen.filter(({ missing }) => missing === undefined);
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
