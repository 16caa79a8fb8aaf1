import { failure, type Mapped, MapperProcess } from "./mapper-process.ts";
import type { JobHead } from "./job.ts";

export interface MapJob extends JobHead {
  /** Whose turn it is: jobs of one sandbox stand in one row. */
  readonly sandboxId: string;
  readonly body: Buffer;
  /** Monotonic ms by which it must have begun. */
  readonly beginBy: number;
}

interface Waiting {
  readonly job: MapJob;
  readonly resolve: (result: Mapped) => void;
  timer: NodeJS.Timeout | undefined;
}

/** Processes at a time; each is one where the thread of the caller is another. */
const MOST = 2;
/** Jobs that wait. */
const MOST_WAITING = 256;
/** The longest a job waits for its turn, ms. */
const LONGEST_WAIT_MS = 5_000;
/** A process that has had nothing to do for so long is ended, ms. */
const IDLE_MS = 60_000;

/**
 * Evaluates expressions in processes of their own, started when they are needed. Sandboxes take turns, and no sandbox has
 * more than one job under way: one whose expressions never end keeps the others waiting for nobody but each other.
 */
export class Mappers {
  /** By sandbox, the next one's turn first; no row is empty. */
  readonly #rows = new Map<string, Waiting[]>();
  readonly #working = new Set<string>();
  readonly #idle: { readonly process: MapperProcess; readonly timer: NodeJS.Timeout }[] = [];
  readonly #processes = new Set<MapperProcess>();
  #waiting = 0;
  #closed = false;

  /** Never rejects. A job that nobody waits for any more is not begun. */
  map(job: MapJob, signal: AbortSignal): Promise<Mapped> {
    const { promise, resolve } = Promise.withResolvers<Mapped>();
    if (this.#closed || this.#waiting >= MOST_WAITING) {
      resolve(failure("busy", "Too many wait for their turn"));
      return promise;
    }
    const waiting: Waiting = { job, resolve, timer: undefined };
    const waitMs = Math.min(LONGEST_WAIT_MS, job.beginBy - performance.now());
    const give = (): void => this.#give(waiting);
    waiting.timer = setTimeout(give, Math.max(0, waitMs));
    signal.addEventListener("abort", give, { once: true });
    void promise.finally(() => signal.removeEventListener("abort", give));
    const row = this.#rows.get(job.sandboxId);
    if (row === undefined) this.#rows.set(job.sandboxId, [waiting]);
    else row.push(waiting);
    this.#waiting += 1;
    this.#next();
    return promise;
  }

  /** Ends all processes. Whoever still waits is told that there is no room. */
  close(): void {
    this.#closed = true;
    for (const waiting of [...this.#rows.values()].flat()) this.#give(waiting);
    for (const { timer } of this.#idle) clearTimeout(timer);
    for (const process of this.#processes) process.kill();
  }

  #next(): void {
    for (const [sandboxId, row] of this.#rows) {
      if (this.#working.has(sandboxId)) continue;
      const process = this.#idleProcess() ?? this.#newProcess();
      if (process === undefined) return;
      const waiting = row[0] as Waiting;
      this.#take(waiting);
      void this.#run(process, waiting);
    }
  }

  async #run(process: MapperProcess, { job, resolve }: Waiting): Promise<void> {
    const { sandboxId, body, expression, variables, maxOutput, timeoutMs } = job;
    this.#working.add(sandboxId);
    const result = await process.map({ expression, variables, maxOutput, timeoutMs }, body);
    this.#working.delete(sandboxId);
    this.#rest(process);
    resolve(result);
    this.#next();
  }

  /** Out of the row; the sandbox's next turn comes last. */
  #take(waiting: Waiting): void {
    const { sandboxId } = waiting.job;
    const row = this.#rows.get(sandboxId);
    const place = row?.indexOf(waiting) ?? -1;
    if (row === undefined || place < 0) return;
    clearTimeout(waiting.timer);
    this.#waiting -= 1;
    row.splice(place, 1);
    this.#rows.delete(sandboxId);
    if (row.length > 0) this.#rows.set(sandboxId, row);
  }

  #give(waiting: Waiting): void {
    this.#take(waiting);
    waiting.resolve(failure("busy", "Its turn did not come"));
  }

  #idleProcess(): MapperProcess | undefined {
    const idle = this.#idle.pop();
    clearTimeout(idle?.timer);
    return idle?.process;
  }

  #newProcess(): MapperProcess | undefined {
    if (this.#processes.size >= MOST || this.#closed) return undefined;
    const process = new MapperProcess(() => {
      this.#processes.delete(process);
      const place = this.#idle.findIndex((idle) => idle.process === process);
      if (place >= 0) clearTimeout(this.#idle.splice(place, 1)[0]?.timer);
      this.#next();
    });
    this.#processes.add(process);
    return process;
  }

  #rest(process: MapperProcess): void {
    if (this.#closed || !process.isUsable) return;
    const timer = setTimeout(() => process.kill(), IDLE_MS);
    timer.unref();
    this.#idle.push({ process, timer });
  }
}
