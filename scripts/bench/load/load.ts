import { fileURLToPath } from "node:url";
import { z } from "zod";
import { CORE, type Processes } from "../machine/processes.ts";

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

const wayReport = z.object({ requests: z.number(), failed: z.number(), p50_us: z.number(), p99_us: z.number() });
const pacedReport = z.object({ direct: wayReport, through: wayReport });

/** Open loop: `rate` requests a second whatever the answers do, in turns to `directUrl` and `url`, `seconds` each. */
export async function pace(
  processes: Processes,
  load: Load & { directUrl: string; rate: number },
): Promise<z.infer<typeof pacedReport>> {
  const script = fileURLToPath(new URL("paced-client.ts", import.meta.url));
  const numbers = [load.rate, load.connections, load.seconds].map(String);
  const stdout = await processes.run(
    {
      program: process.execPath,
      args: [script, load.directUrl, load.url, ...numbers],
      env: { BENCH_AUTHORIZATION: load.authorization },
      core: CORE.load,
    },
    2 * load.seconds + 20,
  );
  return pacedReport.parse(JSON.parse(stdout));
}
