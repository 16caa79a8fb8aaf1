import type { ChildProcess } from "node:child_process";
import type { InstanceState } from "../driver.ts";
import { endOf, Tail } from "./tail.ts";

export interface SupervisorOptions {
  /**
   * Starts the process once. It must lead its own process group (`detached`), have an IPC channel, and send one
   * message over it when it is ready to serve. Its end of the channel closes when this process dies: then it must end too.
   */
  readonly spawn: () => ChildProcess;
  /** Told each change of state; the reason is a sentence for a person, empty when there is nothing to say. */
  readonly report: (state: InstanceState, reason: string) => void;
  /** Milliseconds a new process has to become ready. */
  readonly startTimeoutMs?: number;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly graceMs?: number;
  /** Milliseconds before the first restart; doubled after each further failure. */
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
}

/** Keeps one child process alive: starts it, starts it again when it ends, and leaves nothing of it behind. */
export class Supervisor {
  readonly #spawn: () => ChildProcess;
  readonly #report: (state: InstanceState, reason: string) => void;
  readonly #startTimeoutMs: number;
  readonly #graceMs: number;
  readonly #minBackoffMs: number;
  readonly #maxBackoffMs: number;
  readonly #stopping = new AbortController();
  #life: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#spawn = options.spawn;
    this.#report = options.report;
    this.#startTimeoutMs = options.startTimeoutMs ?? 10_000;
    this.#graceMs = options.graceMs ?? 2_000;
    this.#minBackoffMs = options.minBackoffMs ?? 100;
    this.#maxBackoffMs = options.maxBackoffMs ?? 5_000;
  }

  /** Idempotent; a stopped supervisor stays stopped. */
  start(): void {
    this.#life ??= this.#live();
  }

  /** Resolves when the process and everything it started are gone. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#life;
  }

  async #live(): Promise<void> {
    const { signal } = this.#stopping;
    let backoffMs = this.#minBackoffMs;
    while (!signal.aborted) {
      this.#report("starting", "");
      const startedAt = performance.now();
      const reason = await this.#liveOnce();
      this.#report("down", reason);
      // A process that ran for a while before it ended is not one that cannot start.
      if (performance.now() - startedAt > this.#maxBackoffMs) backoffMs = this.#minBackoffMs;
      await delay(backoffMs, signal);
      backoffMs = Math.min(backoffMs * 2, this.#maxBackoffMs);
    }
  }

  /** From start to end of one process; resolves with why it ended. */
  async #liveOnce(): Promise<string> {
    const { signal } = this.#stopping;
    const child = attempt(this.#spawn);
    if (child instanceof Error) return `cannot start: ${child.message}`;
    const stderr = new Tail(child.stderr);
    const ended = exitOf(child);
    let late = false;
    const slow = setTimeout(() => {
      late = true;
      killGroup(child, "SIGKILL");
    }, this.#startTimeoutMs);
    let kill: NodeJS.Timeout | undefined;
    const stop = () => {
      killGroup(child, "SIGTERM");
      kill = setTimeout(killGroup, this.#graceMs, child, "SIGKILL");
    };
    signal.addEventListener("abort", stop, { once: true });
    child.once("message", () => {
      clearTimeout(slow);
      if (!signal.aborted) this.#report("up", "");
    });
    const end = await ended;
    clearTimeout(slow);
    clearTimeout(kill);
    signal.removeEventListener("abort", stop);
    killGroup(child, "SIGKILL"); // what it started must not outlive it
    if (signal.aborted) return "stopped";
    if (late) return `not ready within ${this.#startTimeoutMs} ms`;
    return stderr.after(end);
  }
}

/** Some failures to start are thrown (EAGAIN, a file too big for argv): they are ends of the process like any other. */
function attempt(spawn: () => ChildProcess): ChildProcess | Error {
  try {
    return spawn();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** How the process ended, in words; never rejects. */
function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(`cannot start: ${error.message}`));
    child.once("exit", (code, signal) => resolve(endOf(code, signal)));
  });
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return; // never started
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nothing of the group is left.
  }
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
