import type { Job, Outcome } from "../job.ts";
import type { WasmLimits } from "../limits.ts";
import { Refusal } from "./request.ts";
import { RunnerProcess } from "./runner-process.ts";
import { Slots } from "./slots.ts";

/** Does jobs, each in a process of its own, and keeps one process ready so that the next job does not wait for it. */
export class Runs {
  readonly #sandbox: string;
  readonly #limits: WasmLimits;
  readonly #slots: Slots;
  readonly #running = new Set<RunnerProcess>();
  #spare: RunnerProcess | undefined;
  #closed = false;

  /** `sandbox`: URL of just-bash's module. */
  constructor({ sandbox, limits }: { sandbox: string; limits: WasmLimits }) {
    this.#sandbox = sandbox;
    this.#limits = limits;
    this.#slots = new Slots({ count: limits.maxRuns, maxWaiting: limits.maxRuns * WAITING_PER_RUN });
    this.#prepare();
  }

  /** @throws Refusal 503 when too many wait already; the signal's reason when it fires first. */
  async run(job: Job, signal: AbortSignal): Promise<Outcome> {
    if (!(await this.#slots.claim(signal))) {
      throw new Refusal(503, "busy", "too many runs are waiting", { "retry-after": "1" });
    }
    const runner = this.#spare ?? this.#start();
    this.#spare = undefined;
    this.#running.add(runner);
    try {
      return await runner.run(job, signal);
    } finally {
      this.#running.delete(runner);
      this.#slots.release();
      this.#prepare();
    }
  }

  close(): void {
    this.#closed = true;
    this.#spare?.kill();
    for (const runner of this.#running) runner.kill();
  }

  #prepare(): void {
    if (this.#closed || this.#spare !== undefined) return;
    const spare = this.#start();
    this.#spare = spare;
    spare.ready.catch(() => {
      if (this.#spare === spare) this.#spare = undefined; // the next job starts one itself and reports what is wrong
    });
  }

  #start(): RunnerProcess {
    return new RunnerProcess({ sandbox: this.#sandbox, limits: this.#limits });
  }
}

const WAITING_PER_RUN = 8;
