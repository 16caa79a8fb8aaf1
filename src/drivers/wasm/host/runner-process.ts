import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import { spawnChild } from "../../../executable.ts";
import { endOf, Tail } from "../../supervisor/tail.ts";
import { type Job, Outcome, problem, timeoutOf } from "../job.ts";
import type { WasmLimits } from "../limits.ts";
import { READY, type RunnerOptions } from "../runner/runner.ts";

export interface RunnerProcessOptions {
  /** URL of just-bash's module. */
  readonly sandbox: string;
  readonly limits: Pick<WasmLimits, "outputBytes" | "memoryBytes">;
}

/** Why a run ended without an outcome of its own. */
type Stop = "timeout" | "memory" | "output" | "abandoned" | "crash";

/** Milliseconds beyond its limit that a run may take to notice by itself that it is late: then its output is known. */
const GRACE_MS = 500;
/** Milliseconds between two looks at a run's memory; a program can touch about 1 MB per millisecond. */
const POLL_MS = 25;

/** One runner, seen from the host: a process that does one job and is not trusted afterwards, not even to end. */
export class RunnerProcess {
  /** Resolves when a job would begin at once; rejects when the runner ended instead. */
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #memoryBytes: number;
  readonly #maxText: number;
  readonly #readiness = Promise.withResolvers<void>();
  readonly #outcome = Promise.withResolvers<Outcome>();
  #text = "";
  #stop: Stop | undefined;
  #job: Job | undefined;

  constructor({ sandbox, limits }: RunnerProcessOptions) {
    const options: RunnerOptions = { sandbox, outputBytes: limits.outputBytes };
    this.#memoryBytes = limits.memoryBytes;
    this.#maxText = 2 * limits.outputBytes * LONGEST_ESCAPE + 1_000_000;
    this.#child = spawnChild("wasm-runner", [JSON.stringify(options)], {
      execArgv: [`--max-old-space-size=${Math.ceil(limits.memoryBytes / 2 ** 20)}`],
    });
    const stderr = new Tail(this.#child.stderr);
    this.#child.stdin?.on("error", () => {}); // it ended before it read its job: "close" tells
    this.#child.stdout?.setEncoding("utf8").on("data", (chunk: string) => this.#receive(chunk));
    this.#child.once("error", (error) => this.#ended(null, `cannot start: ${error.message}`));
    this.#child.once("close", (code, signal) => this.#ended(signal, stderr.after(endOf(code, signal))));
    this.ready = this.#readiness.promise;
    for (const promise of [this.ready, this.#outcome.promise]) promise.catch(() => {}); // whoever waits is told
    preferAsVictim(this.#child.pid);
  }

  /** Resolves when a job would begin at once. Rejects when the runner ended instead, or with the signal's reason. */
  readyBefore(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const give = (): void => reject(signal.reason);
      if (signal.aborted) return give();
      signal.addEventListener("abort", give, { once: true });
      const done = (): void => signal.removeEventListener("abort", give);
      this.ready.then(resolve, reject).finally(done);
    });
  }

  /**
   * Does the one job. The time limit counts from when the runner is ready.
   * Rejects when it cannot start, and with the signal's reason when the signal fires first.
   */
  async run(job: Job, signal: AbortSignal): Promise<Outcome> {
    const abandon = () => this.#kill("abandoned");
    signal.addEventListener("abort", abandon, { once: true });
    const watches: NodeJS.Timeout[] = [];
    try {
      signal.throwIfAborted();
      await this.ready;
      this.#job = job;
      watches.push(setTimeout(() => this.#kill("timeout"), job.timeoutMs + GRACE_MS));
      watches.push(setInterval(() => this.#watchMemory(), POLL_MS));
      this.#child.stdin?.write(`${JSON.stringify(job)}\n`);
      return await this.#outcome.promise;
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      for (const watch of watches) clearTimeout(watch);
      signal.removeEventListener("abort", abandon);
      this.kill();
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #receive(chunk: string): void {
    this.#text += chunk;
    if (this.#text.length > this.#maxText) this.#kill("output");
    else if (chunk.includes("\n")) {
      const lines = this.#text.split("\n");
      this.#text = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
    }
  }

  #take(line: string): void {
    if (line === READY) {
      this.#readiness.resolve();
      return;
    }
    try {
      this.#outcome.resolve(Outcome.parse(JSON.parse(line)));
    } catch {
      this.#kill("crash"); // no longer the program we started
    }
  }

  #watchMemory(): void {
    if (residentBytes(this.#child.pid) > this.#memoryBytes) this.#kill("memory");
  }

  #kill(stop: Stop): void {
    this.#stop ??= stop;
    this.kill();
  }

  /** The process is gone. What was resolved before stays so. */
  #ended(signal: NodeJS.Signals | null, end: string): void {
    this.#readiness.reject(new Error(`the runner ${end}`));
    const stop = this.#stop ?? (OUT_OF_MEMORY.test(end) ? "memory" : "crash");
    this.#outcome.resolve({
      status: stop === "timeout" ? "timeout" : "killed",
      stdout: "",
      stderr: "",
      exit_code: null,
      signal: signal ?? "SIGKILL",
      error: this.#reason(stop),
      results: [],
      truncated: stop === "output",
    });
  }

  #reason(stop: Stop): Outcome["error"] {
    switch (stop) {
      case "timeout":
        return this.#job === undefined ? null : timeoutOf(this.#job);
      case "memory":
        return problem("MemoryLimit", `used more than ${Math.floor(this.#memoryBytes / 2 ** 20)} MB`);
      case "output":
        return problem("OutputLimit", "printed more than can be kept");
      case "abandoned":
        return problem("Abandoned", "the caller went away");
      case "crash":
        return problem("Crash", "the language's runtime ended unexpectedly");
    }
  }
}

/** Characters of JSON that one character of output may take: `\u0000`. */
const LONGEST_ESCAPE = 6;
const OUT_OF_MEMORY = /out of memory/i;

/** 0 when the process is gone, or where there is no /proc. */
function residentBytes(pid: number | undefined): number {
  try {
    const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** When the machine runs out of memory, the kernel should end a run and not the gateway. */
function preferAsVictim(pid: number | undefined): void {
  try {
    fs.writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
  } catch {
    // No /proc, or the process is gone: nothing to prefer.
  }
}
