/** Something that is due at a time. */
export interface Due {
  /** Milliseconds of the agenda's clock. */
  at: number;
  /** Where the agenda keeps it; its own business. -1 = it does not. */
  place: number;
}

/** A clock that never goes back, and its alarm. */
export interface Clock {
  now(): number;
  /** Calls once after `ms`; returns how to take that back. */
  after(ms: number, work: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after(ms, work) {
    const timer = setTimeout(work, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** Two that are due within this time are woken for once, ms. */
const COARSE_MS = 10;

/**
 * What is due when, soonest first (a binary heap): entering, moving and taking out cost the logarithm of how many there are,
 * there is one timer for all of them, and none while there is nothing.
 */
export class Agenda<T extends Due> {
  readonly #clock: Clock;
  readonly #onDue: (item: T) => void;
  readonly #heap: T[] = [];
  #stopTimer: (() => void) | undefined;
  /** When the timer wakes us. */
  #wakesAt = Number.POSITIVE_INFINITY;

  constructor(options: { clock: Clock; onDue: (item: T) => void }) {
    this.#clock = options.clock;
    this.#onDue = options.onDue;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Enters it, in `ms` from now. It must not be there. */
  add(item: T, ms: number): void {
    item.at = this.#clock.now() + ms;
    this.#heap.push(item);
    this.#rise(this.#heap.length - 1, item);
    this.#arm();
  }

  delete(item: T): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#heap.pop() as T;
    if (last !== item) {
      this.#sink(place, last);
      this.#rise(last.place, last);
    }
    if (this.#heap.length === 0) this.#disarm();
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.at >= this.#wakesAt) return;
    this.#disarm();
    this.#wakesAt = first.at;
    this.#stopTimer = this.#clock.after(Math.max(0, first.at - this.#clock.now()), () => this.#wake());
  }

  #disarm(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#wakesAt = Number.POSITIVE_INFINITY;
  }

  #wake(): void {
    this.#disarm();
    const until = this.#clock.now() + COARSE_MS;
    for (let first = this.#heap[0]; first !== undefined && first.at <= until; first = this.#heap[0]) {
      this.delete(first);
      this.#onDue(first);
    }
    this.#arm();
  }

  /** Puts an item at a place, or nearer to the front where it belongs. */
  #rise(from: number, item: T): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = this.#heap[above] as T;
      if (other.at <= item.at) break;
      this.#put(place, other);
      place = above;
    }
    this.#put(place, item);
  }

  /** Puts an item at a place, or further back where it belongs. */
  #sink(from: number, item: T): void {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#heap.length) break;
      const right = this.#heap[below + 1];
      if (right !== undefined && right.at < (this.#heap[below] as T).at) below += 1;
      const other = this.#heap[below] as T;
      if (other.at >= item.at) break;
      this.#put(place, other);
      place = below;
    }
    this.#put(place, item);
  }

  #put(place: number, item: T): void {
    this.#heap[place] = item;
    item.place = place;
  }
}
