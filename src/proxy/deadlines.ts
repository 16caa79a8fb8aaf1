/** Something that must make progress before a point in time. */
export interface Watched {
  /** Monotonic milliseconds (`performance.now()`); Infinity = not waiting for anything now. */
  deadline: number;
  /** The deadline has passed. Called at every sweep until it is unwatched or the deadline moves. */
  expire(): void;
}

const SWEEP_MS = 100;

/**
 * Deadlines of everything in flight on one thread. Moving a deadline is one assignment, so each chunk of a stream can do
 * it; one timer sweeps them ten times a second. A sweep that comes late says the event loop stood still: then nobody had
 * a chance to make progress, and all deadlines move by the delay instead of firing at once.
 */
export class Deadlines<T extends Watched> {
  readonly #watched = new Set<T>();
  readonly #timer: NodeJS.Timeout;
  #sweptAt = performance.now();

  constructor() {
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  watch(item: T): void {
    this.#watched.add(item);
  }

  unwatch(item: T): void {
    this.#watched.delete(item);
  }

  /** What is in flight now. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#watched.values();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const now = performance.now();
    const stalled = now - this.#sweptAt - SWEEP_MS;
    this.#sweptAt = now;
    for (const item of this.#watched) {
      if (stalled > SWEEP_MS) item.deadline += stalled;
      if (item.deadline <= now) item.expire();
    }
  }
}
