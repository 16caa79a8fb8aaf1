import { mkdtempSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { freePort } from "../machine/free-port.ts";
import { CORE } from "../machine/processes.ts";
import { registerSandboxes } from "../load/sandboxes.ts";
import type { Bench, Started, Target } from "../target.ts";

const PROGRAM = fileURLToPath(new URL("../../../bin/sandboxgw.ts", import.meta.url));

export const gatewayTarget: Target = {
  name: "sandboxgw",
  about: "token verified, two rate limits (never reached), strict audit",
  paced: true,
  start: (bench) => startGateway(bench),
};

/** The gateway of another checkout, set up the same, to see what a change costs. */
export function gatewayBefore(checkout: string): Target {
  return {
    name: "sandboxgw before",
    about: `the same, from ${path.basename(path.resolve(checkout))}`,
    paced: true,
    start: (bench) => startGateway(bench, { program: path.resolve(checkout, "bin/sandboxgw.ts") }),
  };
}

export const gatewayRelaxedTarget: Target = {
  name: "sandboxgw relaxed",
  about: "the same, answers do not wait for their audit record",
  paced: true,
  start: (bench) => startGateway(bench, { settings: { AUDIT_MODE: "relaxed" } }),
};

export const gatewayUnlimitedTarget: Target = {
  name: "sandboxgw unlimited",
  about: "the same as sandboxgw, without rate limits and lockout",
  start: (bench) => startGateway(bench, { settings: { RATE_LIMIT_ENABLED: "false" } }),
};

export const gatewayAnonymousTarget: Target = {
  name: "sandboxgw anonymous",
  about: "the same as sandboxgw, without authentication (and so without a caller's limits)",
  start: (bench) => startGateway(bench, { settings: { AUTH_ENABLED: "false" } }),
};

export const gatewayOpenTarget: Target = {
  name: "sandboxgw open",
  about: "no authentication, no rate limits, relaxed audit",
  start: (bench) =>
    startGateway(bench, {
      settings: { AUDIT_MODE: "relaxed", AUTH_ENABLED: "false", RATE_LIMIT_ENABLED: "false" },
    }),
};

export interface GatewayOptions {
  /** Default: this checkout's. */
  readonly program?: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** Options for Node itself. */
  readonly nodeOptions?: readonly string[];
}

/** Starts a gateway with one data thread and a data folder of its own, and sets it up as an operator would. */
export async function startGateway(bench: Bench, options: GatewayOptions = {}): Promise<Started> {
  const { processes, folder } = bench;
  const { program = PROGRAM } = options;
  const [port, adminPort] = [await freePort(), await freePort()];
  const dataDir = mkdtempSync(path.join(folder, "data-"));
  const env = {
    TOKEN_SECRET: bench.tokenSecret,
    GATEWAY_PORT: String(port),
    ADMIN_PORT: String(adminPort),
    GATEWAY_WORKERS: "1",
    MAX_CONCURRENT_REQUESTS: "1000",
    RATE_LIMIT_REQUESTS: "10000000",
    RATE_LIMIT_WINDOW: "1s",
    RATE_LIMIT_BURST: "10000000",
    PROXY_RATE_LIMIT_REQUESTS: "10000000",
    PROXY_RATE_LIMIT_WINDOW: "1s",
    LOG_LEVEL: "warn",
    ...options.settings,
  };
  const cli = (...args: string[]) =>
    processes.run(
      { program: process.execPath, args: [program, ...args, "--data-dir", dataDir], env, core: CORE.load },
      10,
    );

  if (bench.sandboxes > 0) await registerSandboxes(path.dirname(path.dirname(program)), dataDir, bench.sandboxes);
  const running = processes.start({
    program: process.execPath,
    args: [...bench.nodeOptions, ...(options.nodeOptions ?? []), program, "serve", "--data-dir", dataDir],
    env,
    core: CORE.target,
  });
  await processes.ready(running, `http://127.0.0.1:${adminPort}/readyz`);
  const issued = await cli("token", "create", "--sub", "bench", "--role", "executor", "--expires", "1h", "-o", "json");
  const { token } = z.object({ token: z.string() }).parse(JSON.parse(issued));
  await cli("sandbox", "add", "bench", "--url", `http://127.0.0.1:${bench.upstreamPort}`);

  const url = `http://127.0.0.1:${port}/s/bench/`;
  await processes.ready(running, url, { authorization: `Bearer ${token}` });
  return { pid: running.pid, url, token };
}
