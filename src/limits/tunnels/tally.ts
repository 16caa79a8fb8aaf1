/** Where a tally is kept, in shared memory. `keys` and every lane have the same power-of-two length. */
export interface TallyWords {
  /** [0] the thread that changes it now, plus one, 0 = none; [1] how many keys it has. */
  readonly turn: Int32Array;
  /** 0 = free. */
  readonly keys: BigInt64Array;
  /** What each thread has counted, by the place of the key. */
  readonly lanes: readonly Int32Array[];
  /** [0] of each: all that the thread has counted. */
  readonly totals: readonly Int32Array[];
}

/** What may be counted under a key: 0n is nobody's and has no bound. */
export interface Bound {
  readonly key: bigint;
  readonly most: number;
}

const TURN = 0;
const KEYS = 1;

/** How long one waits for another's turn before it looks again, ms. */
const LOOK_MS = 1;
/** After so long its owner is dead too: whoever lives has a turn for microseconds, and not all the time. */
const DEAD_MS = 1_000;

/** Of the places; fuller, looking for a key takes long. */
const FULLEST = 3 / 4;

/**
 * How much of something each key has, exact over all threads: a hash table of open addressing (linear probing, Knuth 6.4)
 * that threads change in turns of a few microseconds. For what lasts, so that a turn costs nothing beside it; what is
 * short-lived is counted in a Sketch. Each thread counts in a lane of its own, so that a dead one's can be dropped.
 */
export class Tally {
  readonly #words: TallyWords;
  readonly #thread: number;
  readonly #mask: number;

  /** `thread`: whose lane; one more than the last for a reader that never counts. */
  constructor(options: { words: TallyWords; thread: number }) {
    this.#words = options.words;
    this.#thread = options.thread;
    this.#mask = options.words.keys.length - 1;
  }

  /** All that is counted. */
  get total(): number {
    let sum = 0;
    for (const total of this.#words.totals) sum += Atomics.load(total, 0);
    return sum;
  }

  /** What the key has now. Takes no turn: while a neighbour moves, it may look like nothing. */
  count(key: bigint): number {
    const place = this.#find(key);
    return this.#words.keys[place] === key ? this.#sum(place) : 0;
  }

  /**
   * Counts one more in all and under each key, if none of the bounds stands against it. Returns which one does: its index,
   * `"full"` for `most` in all or when there is no room for another key; `"counted"` when none does.
   */
  take(most: number, bounds: readonly Bound[]): "counted" | "full" | number {
    this.#begin();
    try {
      const room = this.#words.keys.length * FULLEST - (this.#words.turn[KEYS] as number);
      if (this.total >= most || room < bounds.length) return "full";
      const against = bounds.findIndex((bound) => bound.key !== 0n && this.count(bound.key) >= bound.most);
      if (against >= 0) return against;
      for (const { key } of bounds) if (key !== 0n) this.#add(key);
      this.#addTotal(1);
      return "counted";
    } finally {
      this.#end();
    }
  }

  /** Takes back what `take` has counted. */
  release(bounds: readonly Bound[]): void {
    this.#begin();
    try {
      for (const { key } of bounds) if (key !== 0n) this.#remove(key);
      this.#addTotal(-1);
    } finally {
      this.#end();
    }
  }

  /**
   * Drops what a thread has counted that has ended, whatever it was doing when it did: the table is made anew from what
   * stands in it. An entry that was being moved stands there twice, and both are whole (see `#close`).
   */
  drop(thread: number): void {
    const { keys, lanes, totals, turn } = this.#words;
    Atomics.compareExchange(turn, TURN, thread + 1, 0);
    this.#begin(DEAD_MS);
    lanes[thread]?.fill(0);
    totals[thread]?.fill(0);
    const kept = new Map<bigint, readonly number[]>();
    keys.forEach((key, place) => {
      if (key !== 0n && this.#sum(place) > 0)
        kept.set(
          key,
          lanes.map((lane) => lane[place] as number),
        );
    });
    keys.fill(0n);
    for (const lane of lanes) lane.fill(0);
    for (const [key, counts] of kept) {
      const place = this.#find(key);
      keys[place] = key;
      for (const [lane, count] of counts.entries()) (lanes[lane] as Int32Array)[place] = count;
    }
    turn[KEYS] = kept.size;
    this.#end();
  }

  /** Nobody waits for long: the turn of one that has died with it is ended by `drop`. */
  #begin(mostMs = Number.POSITIVE_INFINITY): void {
    const { turn } = this.#words;
    const me = this.#thread + 1;
    let since = 0;
    for (;;) {
      const owner = Atomics.compareExchange(turn, TURN, 0, me);
      if (owner === 0) return;
      if (since === 0) since = performance.now();
      else if (performance.now() - since > mostMs && Atomics.compareExchange(turn, TURN, owner, me) === owner) return;
      Atomics.wait(turn, TURN, owner, LOOK_MS);
    }
  }

  #end(): void {
    const { turn } = this.#words;
    Atomics.store(turn, TURN, 0);
    Atomics.notify(turn, TURN, 1);
  }

  #addTotal(amount: number): void {
    Atomics.add(this.#words.totals[this.#thread] as Int32Array, 0, amount);
  }

  /** The place of the key, or the free one where it would be. */
  #find(key: bigint): number {
    const { keys } = this.#words;
    let place = this.#home(key);
    // Bounded, for one who looks without a turn.
    for (let step = 0; step <= this.#mask; step++) {
      if (keys[place] === key || keys[place] === 0n) return place;
      place = (place + 1) & this.#mask;
    }
    return place;
  }

  #home(key: bigint): number {
    return Number(BigInt.asUintN(32, key)) & this.#mask;
  }

  #sum(place: number): number {
    let sum = 0;
    for (const lane of this.#words.lanes) sum += Atomics.load(lane, place);
    return sum;
  }

  #add(key: bigint): void {
    const { keys, lanes } = this.#words;
    const place = this.#find(key);
    if (keys[place] !== key) {
      for (const lane of lanes) lane[place] = 0;
      keys[place] = key;
      this.#countKeys(1);
    }
    const mine = lanes[this.#thread] as Int32Array;
    mine[place] = (mine[place] as number) + 1;
  }

  #remove(key: bigint): void {
    const { keys, lanes } = this.#words;
    const place = this.#find(key);
    if (keys[place] !== key) return; // not counted: its thread was dropped
    const mine = lanes[this.#thread] as Int32Array;
    mine[place] = (mine[place] as number) - 1;
    if (this.#sum(place) === 0) this.#close(place);
  }

  /**
   * Frees a place and moves those behind it that it would hide (Knuth 6.4 R). What is moved is copied whole before its old
   * place is freed, and no place has a key while its counts are another's: `drop` can rely on that.
   */
  #close(place: number): void {
    const { keys, lanes } = this.#words;
    let hole = place;
    keys[hole] = 0n;
    for (let next = (hole + 1) & this.#mask; keys[next] !== 0n; next = (next + 1) & this.#mask) {
      const key = keys[next] as bigint;
      const fromHome = (next - this.#home(key)) & this.#mask;
      if (fromHome < ((next - hole) & this.#mask)) continue;
      for (const lane of lanes) lane[hole] = lane[next] as number;
      keys[hole] = key;
      keys[next] = 0n;
      hole = next;
    }
    this.#countKeys(-1);
  }

  #countKeys(amount: number): void {
    const { turn } = this.#words;
    turn[KEYS] = (turn[KEYS] as number) + amount;
  }
}
