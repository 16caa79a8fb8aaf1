/** Something whose turn comes. */
export interface Waiting {
  /** It is not expected to go fast: those may only take half of the lane. */
  readonly isSlow: boolean;
}

/**
 * Lets so many go at a time and no more. Those that are slow, because nobody answers them, have half of the lane at most, so
 * that a thousand dead instances do not keep anybody from seeing how the living are.
 */
export class Lane<T extends Waiting> {
  readonly #start: (item: T) => void;
  #limit: number;
  readonly #fast = new Set<T>();
  readonly #slow = new Set<T>();
  /** Those that go, and whether they went as slow ones. */
  readonly #going = new Map<T, boolean>();
  #slowGoing = 0;
  #slowNext = false;

  /** `start`: its turn has come; `leave` when it is done. */
  constructor(options: { limit: number; start: (item: T) => void }) {
    this.#limit = options.limit;
    this.#start = options.start;
  }

  get going(): number {
    return this.#going.size;
  }

  get waiting(): number {
    return this.#fast.size + this.#slow.size;
  }

  setLimit(limit: number): void {
    this.#limit = limit;
    this.#pump();
  }

  enter(item: T): void {
    (item.isSlow ? this.#slow : this.#fast).add(item);
    this.#pump();
  }

  /** It is done, or shall not go. */
  leave(item: T): void {
    this.#fast.delete(item);
    this.#slow.delete(item);
    const wasSlow = this.#going.get(item);
    if (wasSlow === undefined) return;
    this.#going.delete(item);
    if (wasSlow) this.#slowGoing -= 1;
    this.#pump();
  }

  #pump(): void {
    while (this.#going.size < this.#limit) {
      const item = this.#next();
      if (item === undefined) return;
      this.#start(item);
    }
  }

  /** They take turns, as far as the slow ones may. */
  #next(): T | undefined {
    const slow = this.#slowGoing < Math.ceil(this.#limit / 2) ? firstOf(this.#slow) : undefined;
    const fast = firstOf(this.#fast);
    const item = slow !== undefined && (this.#slowNext || fast === undefined) ? slow : fast;
    if (item === undefined) return undefined;
    const isSlow = item === slow;
    this.#slowNext = !isSlow;
    (isSlow ? this.#slow : this.#fast).delete(item);
    this.#going.set(item, isSlow);
    if (isSlow) this.#slowGoing += 1;
    return item;
  }
}

function firstOf<T>(items: ReadonlySet<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}
