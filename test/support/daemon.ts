import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { COMPILE_CACHE } from "./compile-cache.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const PROGRAM = join(import.meta.dirname, "../../bin/sandboxgw.ts");

/** A real daemon: `sandboxgw serve` in a process of its own. */
export interface DaemonProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly admin: string;
  readonly port: number;
  /** Milliseconds from the start of the process to its being ready. */
  readonly readyMs: number;
  /** Everything it has logged so far. */
  readonly log: string[];
  /** Sends a signal and resolves with the exit code (null when a signal ended it). */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** A data folder, and the program run on it. */
export class Installation {
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;

  /** `folder`: where the data folder is made. */
  constructor(env: Readonly<Record<string, string>> = {}, folder = temporaryFolder()) {
    this.dataDir = join(folder, "data");
    this.env = {
      PATH: process.env["PATH"] ?? "",
      HOME: "/nonexistent",
      ...COMPILE_CACHE,
      SHUTDOWN_DELAY: "0s",
      ...env,
    };
  }

  /** A command on this folder, as the words that a process is started with. */
  command(...args: string[]): string[] {
    return [process.execPath, PROGRAM, "--data-dir", this.dataDir, ...args];
  }

  /** Runs a command to its end. */
  run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return new Promise((resolve) => {
      const options = { env: this.env, maxBuffer: 1 << 30 };
      execFile(process.execPath, [PROGRAM, "--data-dir", this.dataDir, ...args], options, (error, stdout, stderr) => {
        const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1;
        resolve({ code, stdout, stderr });
      });
    });
  }

  async token(role = "executor", ...more: string[]): Promise<{ id: string; authorization: string }> {
    const { stdout } = await this.run("token", "create", "--sub", `e2e-${role}`, "--role", role, "-o", "json", ...more);
    const { id, token } = JSON.parse(stdout) as { id: string; token: string };
    return { id, authorization: `Bearer ${token}` };
  }

  /** Starts the daemon and resolves when it says it is listening. `port` 0 = any. */
  async serve({ port = 0, workers = 2 } = {}): Promise<DaemonProcess> {
    const startedAt = performance.now();
    const args = ["--port", String(port), "--admin-port", "0", "--workers", String(workers)];
    const child = spawn(process.execPath, [PROGRAM, "--data-dir", this.dataDir, "serve", ...args], {
      env: { ...this.env, LOG_FORMAT: "json" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const log: string[] = [];
    const listening = await new Promise<{ url: string; admin: string }>((resolve, reject) => {
      createInterface({ input: child.stderr }).on("line", (line) => {
        log.push(line);
        if (line.includes('"msg":"listening"')) resolve(JSON.parse(line) as { url: string; admin: string });
      });
      child.once("exit", (code) => reject(new Error(`serve ended with ${code}: ${log.join("\n")}`)));
    });
    return {
      child,
      ...listening,
      port: Number(new URL(listening.url).port),
      readyMs: performance.now() - startedAt,
      log,
      async end(signal) {
        if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
        const ended = once(child, "exit");
        child.kill(signal);
        const [code] = (await ended) as [number | null];
        return code;
      },
    };
  }
}
