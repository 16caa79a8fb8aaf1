import { type Command, Option } from "commander";
import { takeVariables } from "../../config/load.ts";
import { Predecessor, takeoverSockets } from "../../daemon/handover/predecessor.ts";
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
    .addOption(new Option("--takeover <sockets>", "take over from the gateway that has started this one").hideHelp())
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw serve
  sandboxgw serve --port 9090 --data-dir ./data
  RATE_LIMIT_REQUESTS=1000 sandboxgw serve --workers 4`,
    )
    .action((options: ServeOptions) =>
      options.takeover === undefined ? serveUntilStopped(cli, options) : takeOver(cli, options),
    );
}

interface ServeOptions {
  readonly host?: string;
  readonly port?: string;
  readonly adminPort?: string;
  readonly workers?: string;
  /** See TakeoverSockets. */
  readonly takeover?: string;
}

/** The same in place of the process that has started this one; which is told what becomes of it. */
async function takeOver(cli: Cli, options: ServeOptions): Promise<void> {
  const predecessor = new Predecessor(process);
  try {
    await serveUntilStopped(cli, options, predecessor);
  } catch (error) {
    predecessor.failed(error);
    throw error;
  } finally {
    predecessor.leave();
  }
}

async function serveUntilStopped(cli: Cli, options: ServeOptions, predecessor?: Predecessor): Promise<void> {
  const flags = {
    GATEWAY_HOST: options.host,
    GATEWAY_PORT: options.port,
    ADMIN_PORT: options.adminPort,
    GATEWAY_WORKERS: options.workers,
  };
  const { config, warnings } = await cli.loadConfig(flags);
  const log = createLogger({ level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  for (const warning of warnings) log.warn(warning);
  const sockets = options.takeover === undefined ? givenBySystemd(log) : takeoverSockets(options.takeover);
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
  const readConfig = await cli.configReader(flags);
  await predecessor?.ready();
  const daemon = await startDaemon({ config, log, sockets, predecessor, takeoverArgs: takeoverArgs(), readConfig });
  predecessor?.serving();
  running = daemon;
  if (isReloadDue) void daemon.reload();
  const stopped = asked.then((signal) => {
    log.info({ signal }, "stopping");
    // The first signal lets calls in flight finish; the second one does not wait for them.
    void stopSignal().then(() => process.exit());
    return daemon.close(config.SHUTDOWN_GRACE);
  });
  await Promise.race([stopped, daemon.replaced.then(() => daemon.close())]);
}

/** This process's own arguments, for the one that takes over from it. */
function takeoverArgs(): readonly string[] {
  const given = process.argv.slice(2);
  const own = given.indexOf("--takeover"); // last, when it is there
  return own < 0 ? given : given.slice(0, own);
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
