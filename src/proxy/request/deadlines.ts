/** Something that must make progress before a point in time. */
export interface Watched {
  /** Monotonic milliseconds (`performance.now()`); Infinity = not waiting for anything now. */
  deadline: number;
  /** Where the watcher keeps it; its own business. */
  place: number;
  /** The deadline has passed. Called at every sweep until it is unwatched or the deadline moves. */
  expire(): void;
}

const SWEEP_MS = 100;

/**
 * Deadlines of everything in flight on one thread. Moving a deadline is one assignment, so each chunk of a stream can do
 * it; one timer sweeps them ten times a second. A sweep that comes late says the event loop stood still: then nobody had
 * a chance to make progress, and all deadlines move by the delay instead of firing at once.
 */
export class Deadlines {
  /**
   * An array in which the last item takes the place of a removed one. Not a Set: V8 links each outgrown table of a Set to
   * the next, so that in the old generation they keep every finished request alive until a full collection.
   */
  readonly #watched: Watched[] = [];
  readonly #timer: NodeJS.Timeout;
  #sweptAt = performance.now();
  /** For how long the event loop has stood still in all, ms. */
  stalledMs = 0;

  constructor() {
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  watch(item: Watched): void {
    item.place = this.#watched.push(item) - 1;
  }

  unwatch(item: Watched): void {
    if (!this.#watches(item)) return;
    const last = this.#watched.pop();
    if (last === undefined || last === item) return;
    this.#watched[item.place] = last;
    last.place = item.place;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const now = performance.now();
    const stalled = now - this.#sweptAt - SWEEP_MS;
    this.#sweptAt = now;
    if (stalled > SWEEP_MS) this.stalledMs += stalled;
    for (const item of this.#watched.slice()) {
      if (!this.#watches(item)) continue; // another one's expiry ended it
      if (stalled > SWEEP_MS) item.deadline += stalled;
      if (item.deadline <= now) item.expire();
    }
  }

  #watches(item: Watched): boolean {
    return this.#watched[item.place] === item;
  }
}
