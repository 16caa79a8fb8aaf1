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

  /**
   * @throws Refusal 503 when nothing was begun: too many wait already, or its turn did not come in time; the signal's
   *   reason when it fires first.
   */
  async run(job: Job, signal: AbortSignal): Promise<Outcome> {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(this.#late()), this.#limits.beginMs);
    const begin = AbortSignal.any([signal, patience.signal]);
    try {
      if (!(await this.#slots.claim(begin))) throw busy("too many runs are waiting");
      return await this.#runInSlot({ job, signal, begin, begun: () => clearTimeout(timer) });
    } finally {
      clearTimeout(timer);
    }
  }

  async #runInSlot({ job, signal, begin, begun }: Turn): Promise<Outcome> {
    const runner = this.#spare ?? this.#start();
    this.#spare = undefined;
    this.#running.add(runner);
    try {
      await runner.readyBefore(begin);
      begun();
      return await runner.run(job, signal);
    } finally {
      runner.kill(); // also when it never began
      this.#running.delete(runner);
      this.#slots.release();
      this.#prepare();
    }
  }

  #late(): Refusal {
    return busy(`the run could not begin within ${this.#limits.beginMs} ms`);
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

interface Turn {
  readonly job: Job;
  readonly signal: AbortSignal;
  /** Fires when the run must no longer begin. */
  readonly begin: AbortSignal;
  readonly begun: () => void;
}

function busy(message: string): Refusal {
  return new Refusal(503, "busy", message, { "retry-after": "1" });
}

const WAITING_PER_RUN = 8;
