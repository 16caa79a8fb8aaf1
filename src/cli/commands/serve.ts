import type { Command } from "commander";
import { takeVariables } from "../../config/load.ts";
import { type Daemon, startDaemon } from "../../daemon/daemon.ts";
import type { Log } from "../../daemon/parts/log.ts";
import { type GivenSockets, LISTEN_VARIABLES, socketsFromSystemd } from "../../daemon/sockets/given.ts";
import { createLogger } from "../../observe/logger.ts";
import type { Cli } from "../cli.ts";

export function defineServe(serve: Command, cli: Cli): void {
  serve
    .description("Runs the gateway until it is told to stop (SIGTERM or Ctrl-C). Needs no configuration.")
    .option("--host <address>", "address to listen on [env: GATEWAY_HOST] [default: 127.0.0.1]")
    .option("--port <port>", "port to listen on, 0 = any [env: GATEWAY_PORT] [default: 8080]")
    .option("--admin-port <port>", "port for health and metrics [env: ADMIN_PORT] [default: 8081]")
    .option("--workers <count>", "data threads [env: GATEWAY_WORKERS] [default: one per core]")
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw serve
  sandboxgw serve --port 9090 --data-dir ./data
  RATE_LIMIT_REQUESTS=1000 sandboxgw serve --workers 4`,
    )
    .action((options: ServeOptions) => serveUntilStopped(cli, options));
}

interface ServeOptions {
  readonly host?: string;
  readonly port?: string;
  readonly adminPort?: string;
  readonly workers?: string;
}

async function serveUntilStopped(cli: Cli, options: ServeOptions): Promise<void> {
  const flags = {
    GATEWAY_HOST: options.host,
    GATEWAY_PORT: options.port,
    ADMIN_PORT: options.adminPort,
    GATEWAY_WORKERS: options.workers,
  };
  const { config, warnings } = await cli.loadConfig(flags);
  const log = createLogger({ level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  for (const warning of warnings) log.warn(warning);
  const sockets = givenBySystemd(log);
  // Listened for before the start, so that a signal during it is not lost.
  const asked = stopSignal();
  // Somebody used to rotating logs by signal must not end a gateway at once; and Node would open its inspector, which asks
  // nobody who they are, on SIGUSR1.
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => log.warn(`${signal} is ignored`));
  let running: Daemon | undefined;
  let isReloadDue = false; // its configuration has been read already
  process.on("SIGHUP", () => {
    if (running === undefined) isReloadDue = true;
    else void running.reload();
  });
  const daemon = await startDaemon({ config, log, sockets, readConfig: await cli.configReader(flags) });
  running = daemon;
  if (isReloadDue) void daemon.reload();
  const signal = await asked;
  log.info({ signal }, "stopping");
  // The first signal lets calls in flight finish; the second one does not wait for them.
  void stopSignal().then(() => process.exit());
  await daemon.close();
}

/** @throws GatewayError GW_018 */
function givenBySystemd(log: Log): GivenSockets | undefined {
  const variables = takeVariables(LISTEN_VARIABLES);
  const { LISTEN_FDS, LISTEN_PID = "" } = variables;
  if (LISTEN_FDS !== undefined && LISTEN_PID !== String(process.pid)) {
    log.warn({ listen_pid: LISTEN_PID, pid: process.pid }, "LISTEN_FDS is ignored: LISTEN_PID names another process");
  }
  return socketsFromSystemd(variables);
}

/** Resolves to the name of the next signal that asks the program to stop. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      process.off("SIGTERM", stop).off("SIGINT", stop);
      resolve(signal);
    };
    process.on("SIGTERM", stop).on("SIGINT", stop);
  });
}
