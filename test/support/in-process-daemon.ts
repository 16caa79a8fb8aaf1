import { join } from "node:path";
import { onTestFinished } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { type Daemon, startDaemon } from "../../src/daemon/daemon.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A line of the daemon's log. */
export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: object;
}

/** A daemon with real threads in the test's own process. */
export interface InProcessDaemon {
  readonly daemon: Daemon;
  readonly dataDir: string;
  readonly url: string;
  readonly admin: string;
  readonly lines: readonly LogLine[];
  /** Whether a line with this message has been logged. */
  logged(message: string): boolean;
}

/** `env`: configuration keys as they would stand in the environment. */
export async function startInProcessDaemon(env: Readonly<Record<string, string>> = {}): Promise<InProcessDaemon> {
  const dataDir = env["DATA_DIR"] ?? join(temporaryFolder(), "data");
  const defaults = { DATA_DIR: dataDir, GATEWAY_PORT: "0", ADMIN_PORT: "0", GATEWAY_WORKERS: "2" };
  const { config } = loadConfig({ flags: {}, env: { ...defaults, ...env }, cwd: "/" });
  const lines: LogLine[] = [];
  const at = (level: LogLine["level"]) => (fields: object, message: string) =>
    void lines.push({ level, message, fields });
  const daemon = await startDaemon({ config, log: { info: at("info"), warn: at("warn"), error: at("error") } });
  onTestFinished(() => daemon.close(0));
  return {
    daemon,
    dataDir,
    url: `http://127.0.0.1:${daemon.port}`,
    admin: `http://127.0.0.1:${daemon.adminPort}`,
    lines,
    logged: (message) => lines.some((line) => line.message === message),
  };
}
