import { fileURLToPath } from "node:url";
import { z } from "zod";
import { CORE, type Processes } from "./processes.ts";

export interface Load {
  readonly url: string;
  readonly authorization: string;
  readonly connections: number;
  readonly seconds: number;
}

const report = z.object({
  requests: z.number(),
  duration_us: z.number(),
  p50_us: z.number(),
  p99_us: z.number(),
  /** Answers other than 2xx and 3xx. */
  refused: z.number(),
  /** Connections that could not be made, broke or timed out. */
  broken: z.number(),
});

/** Closed loop: `connections` clients, each sending its next request as soon as it has the answer. One wrk thread. */
export async function saturate(processes: Processes, load: Load): Promise<z.infer<typeof report>> {
  const script = fileURLToPath(new URL("wrk.lua", import.meta.url));
  const stdout = await processes.run(
    {
      program: "wrk",
      args: ["-t", "1", "-c", String(load.connections), "-d", `${load.seconds}s`, "-s", script, load.url],
      env: { BENCH_AUTHORIZATION: load.authorization },
      core: CORE.load,
    },
    load.seconds + 10,
  );
  return report.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
}

const pacedReport = z.object({ requests: z.number(), failed: z.number(), p50_us: z.number(), p99_us: z.number() });

export type PacedReport = z.infer<typeof pacedReport>;

/** Open loop: `rate` requests a second whatever the answers do, after one second of warm-up. */
export async function pace(processes: Processes, load: Load & { rate: number }): Promise<PacedReport> {
  const stdout = await processes.run(
    {
      program: process.execPath,
      args: [
        fileURLToPath(new URL("paced-client.ts", import.meta.url)),
        ...[load.url, load.rate, load.connections, load.seconds].map(String),
      ],
      env: { BENCH_AUTHORIZATION: load.authorization },
      core: CORE.load,
    },
    load.seconds + 10,
  );
  return pacedReport.parse(JSON.parse(stdout));
}
