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
/** Jobs that wait, in all and of one sandbox. */
const MOST_WAITING = 256;
const MOST_IN_ROW = 64;
/** The longest a job waits for its turn, ms. */
const LONGEST_WAIT_MS = 5_000;
/** A process that has had nothing to do for so long is ended, ms. */
const IDLE_MS = 60_000;

/** How long a sandbox is a suspect after one of its jobs had to be stopped, ms. */
const SUSPECT_MS = 30_000;
/** What suspects rest after such a job: to start a process anew costs a fifth of a second of a processor. */
const REST_MS = 1_000;
/** Suspects that are remembered. */
const MOST_SUSPECTS = 1_000;

/**
 * Evaluates expressions in processes of their own, started when they are needed. Sandboxes take turns, and no sandbox has
 * more than one job under way. Those whose jobs had to be stopped lately share one process and rest between two stops: they keep
 * nobody waiting but each other.
 */
export class Mappers {
  /** By sandbox, the next one's turn first; no row is empty. */
  readonly #rows = new Map<string, Waiting[]>();
  readonly #working = new Set<string>();
  readonly #idle: { readonly process: MapperProcess; readonly timer: NodeJS.Timeout }[] = [];
  readonly #processes = new Set<MapperProcess>();
  /** By sandbox: until when, monotonic ms. The oldest first. */
  readonly #suspects = new Map<string, number>();
  #suspectWorks = false;
  #restUntil = 0;
  #rest: NodeJS.Timeout | undefined;
  #waiting = 0;
  #closed = false;

  /** Never rejects. A job that nobody waits for any more is not begun. */
  map(job: MapJob, signal: AbortSignal): Promise<Mapped> {
    const { promise, resolve } = Promise.withResolvers<Mapped>();
    const row = this.#rows.get(job.sandboxId);
    if (this.#closed || this.#waiting >= MOST_WAITING || (row?.length ?? 0) >= MOST_IN_ROW) {
      resolve(failure("busy", "Too many wait for their turn"));
      return promise;
    }
    const waiting: Waiting = { job, resolve, timer: undefined };
    const waitMs = Math.min(LONGEST_WAIT_MS, job.beginBy - performance.now());
    const give = (): void => this.#give(waiting);
    waiting.timer = setTimeout(give, Math.max(0, waitMs));
    signal.addEventListener("abort", give, { once: true });
    void promise.finally(() => signal.removeEventListener("abort", give));
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
    clearTimeout(this.#rest);
    for (const { timer } of this.#idle) clearTimeout(timer);
    for (const process of this.#processes) process.kill();
  }

  #next(): void {
    const now = performance.now();
    for (const [sandboxId, row] of this.#rows) {
      if (this.#working.has(sandboxId)) continue;
      const isSuspect = (this.#suspects.get(sandboxId) ?? 0) > now;
      if (isSuspect && (this.#suspectWorks || now < this.#restUntil)) continue;
      const process = this.#idleProcess() ?? this.#newProcess();
      if (process === undefined) return;
      const waiting = row[0] as Waiting;
      this.#take(waiting);
      void this.#run(process, waiting, isSuspect);
    }
  }

  async #run(process: MapperProcess, { job, resolve }: Waiting, isSuspect: boolean): Promise<void> {
    const { sandboxId, body, expression, variables, maxOutput, timeoutMs } = job;
    this.#working.add(sandboxId);
    if (isSuspect) this.#suspectWorks = true;
    const result = await process.map({ expression, variables, maxOutput, timeoutMs }, body);
    this.#working.delete(sandboxId);
    if (isSuspect) this.#suspectWorks = false;
    if (!Buffer.isBuffer(result) && (result.reason === "time" || result.reason === "memory")) this.#suspect(sandboxId);
    this.#keep(process);
    resolve(result);
    this.#next();
  }

  #suspect(sandboxId: string): void {
    const now = performance.now();
    this.#suspects.delete(sandboxId);
    this.#suspects.set(sandboxId, now + SUSPECT_MS);
    const [oldest = ""] = this.#suspects.keys();
    if (this.#suspects.size > MOST_SUSPECTS) this.#suspects.delete(oldest);
    this.#restUntil = now + REST_MS;
    clearTimeout(this.#rest);
    if (!this.#closed) this.#rest = setTimeout(() => this.#next(), REST_MS + 1);
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
    let process: MapperProcess;
    try {
      process = new MapperProcess(() => this.#gone(process));
    } catch {
      return undefined; // no descriptor is left for its pipes; who waits is told when its time is over
    }
    this.#processes.add(process);
    return process;
  }

  #gone(process: MapperProcess): void {
    this.#processes.delete(process);
    const place = this.#idle.findIndex((idle) => idle.process === process);
    if (place >= 0) clearTimeout(this.#idle.splice(place, 1)[0]?.timer);
    this.#next();
  }

  #keep(process: MapperProcess): void {
    if (this.#closed || !process.isUsable) return;
    const timer = setTimeout(() => process.kill(), IDLE_MS);
    timer.unref();
    this.#idle.push({ process, timer });
  }
}
