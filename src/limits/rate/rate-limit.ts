import { hash } from "node:crypto";

/** Where the cells live; every thread sees the same ones. Both arrays have the same power-of-two length. */
export interface Cells {
  readonly keys: BigInt64Array;
  readonly arrivals: BigInt64Array;
}

/** How many neighbouring cells a key may live in. */
const WINDOW = 8;

/**
 * GCRA (the ATM Forum's generic cell rate algorithm, a leaky bucket in one word per key): `requests` per window, of which
 * `burst` may come at once. The word is the key's theoretical arrival time; a compare-and-swap makes the count exact over
 * all threads. The table is bounded: when a key's eight cells are all in use, the one closest to being idle is taken over.
 */
export class RateLimiter {
  readonly #keys: BigInt64Array;
  readonly #arrivals: BigInt64Array;
  readonly #mask: bigint;
  /** Nanoseconds between two requests at the sustained rate. */
  readonly #interval: bigint;
  /** How far ahead of now the arrival time may run, ns. */
  readonly #tolerance: bigint;

  constructor(options: { cells: Cells; requests: number; windowMs: number; burst: number }) {
    this.#keys = options.cells.keys;
    this.#arrivals = options.cells.arrivals;
    this.#mask = BigInt(options.cells.keys.length - 1);
    this.#interval = BigInt(Math.max(1, Math.round((options.windowMs * 1e6) / options.requests)));
    this.#tolerance = this.#interval * BigInt(options.burst);
  }

  /**
   * Counts one request for `key` at `now` (a monotonic clock shared by all threads: `process.hrtime.bigint()`).
   * Returns 0 when it is admitted, otherwise the nanoseconds until the next one would be; a refused request costs nothing.
   */
  admit(key: bigint, now: bigint): number {
    return Math.max(0, this.take(key, now));
  }

  /** The same, but what an admitted request leaves over is told too: as nanoseconds below 0, see `remaining`. */
  take(key: bigint, now: bigint): number {
    for (;;) {
      const cell = this.#claim(key, now);
      const arrival = Atomics.load(this.#arrivals, cell);
      const next = (arrival > now ? arrival : now) + this.#interval;
      const early = next - now - this.#tolerance;
      if (early > 0n) return Number(early);
      if (Atomics.compareExchange(this.#arrivals, cell, arrival, next) === arrival) return Number(early);
    }
  }

  /** What `take` would return if it refused now: nanoseconds until a request would be admitted; 0 = it would be. Counts nothing. */
  wait(key: bigint, now: bigint): number {
    const cell = find(this.#keys, key);
    if (cell < 0) return 0;
    const early = Atomics.load(this.#arrivals, cell) + this.#interval - now - this.#tolerance;
    return early > 0n ? Number(early) : 0;
  }

  /** How many requests may come at once when `take` has returned this. */
  remaining(taken: number): number {
    return Math.max(0, Math.floor(-taken / Number(this.#interval)));
  }

  /** Nanoseconds until all of them may come again when `take` has returned this. */
  restored(taken: number): number {
    return Number(this.#tolerance) + taken;
  }

  /** Counts `requests` more than were asked for, whether there is room for them or not. */
  charge(key: bigint, now: bigint, requests: number): void {
    const cell = this.#claim(key, now);
    const cost = this.#interval * BigInt(requests);
    for (;;) {
      const arrival = Atomics.load(this.#arrivals, cell);
      const next = (arrival > now ? arrival : now) + cost;
      if (Atomics.compareExchange(this.#arrivals, cell, arrival, next) === arrival) return;
    }
  }

  /** Refuses everything for so long. */
  block(key: bigint, now: bigint, ns: bigint): void {
    Atomics.store(this.#arrivals, this.#claim(key, now), now + ns + this.#tolerance - this.#interval);
  }

  /** Takes back one admission, for a request that was refused for another reason and so cost nothing. */
  refund(key: bigint, now: bigint): void {
    const cell = this.#claim(key, now);
    Atomics.sub(this.#arrivals, cell, this.#interval);
  }

  /** The key's cell: the one it has, else an idle one, else the one nearest to idle. */
  #claim(key: bigint, now: bigint): number {
    const home = Number(key & this.#mask);
    const mask = Number(this.#mask);
    for (;;) {
      let target = -1;
      let targetKey = 0n;
      let targetArrival = 0n;
      for (let step = 0; step < WINDOW; step++) {
        const cell = (home + step) & mask;
        const owner = Atomics.load(this.#keys, cell);
        if (owner === key) return cell;
        const arrival = owner === 0n ? 0n : Atomics.load(this.#arrivals, cell);
        if (target < 0 || (targetArrival > now && arrival < targetArrival)) {
          target = cell;
          targetKey = owner;
          targetArrival = arrival;
        }
        if (owner === 0n) break;
      }
      if (Atomics.compareExchange(this.#keys, target, targetKey, key) === targetKey) {
        // Swapped, not stored: what another thread has counted for this key meanwhile stays counted.
        Atomics.compareExchange(this.#arrivals, target, targetArrival, 0n);
        return target;
      }
    }
  }
}

/** Forgets what was counted for a key, whichever limits it is counted by. */
export function forget({ keys, arrivals }: Cells, key: bigint): void {
  const cell = find(keys, key);
  if (cell >= 0) Atomics.store(arrivals, cell, 0n);
}

/** The cell that the key has; -1 when it has none. */
function find(keys: BigInt64Array, key: bigint): number {
  const mask = keys.length - 1;
  const home = Number(key & BigInt(mask));
  for (let step = 0; step < WINDOW; step++) {
    const cell = (home + step) & mask;
    const owner = Atomics.load(keys, cell);
    if (owner === key) return cell;
    if (owner === 0n) break;
  }
  return -1;
}

/**
 * A 64-bit key for a name, never 0. Salted per process so that nobody can choose names that fall into the same cells.
 */
export function rateKey(salt: string, name: string): bigint {
  const key = BigInt.asIntN(64, BigInt(`0x${hash("sha256", `${salt}\n${name}`).slice(0, 16)}`));
  return key === 0n ? 1n : key;
}
