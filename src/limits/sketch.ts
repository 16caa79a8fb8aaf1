import { hash } from "node:crypto";

/** Rows of a sketch: a count errs only when two keys meet in all of them. */
export const SKETCH_ROWS = 2;

/** Where a key is counted: made once per key, so that counting hashes nothing. */
export interface SketchKey {
  readonly first: number;
  readonly second: number;
}

/**
 * How much of something each key has, over all threads, in bounded memory: a count-min sketch (Cormode & Muthukrishnan
 * 2005) with a lane per thread, so that what a dead thread counted can be dropped. It errs only by counting too much, when
 * two keys share a counter in both rows.
 */
export class Sketch {
  readonly #lanes: readonly Int32Array[];
  readonly #mine: Int32Array;

  constructor(options: { lanes: readonly Int32Array[]; thread: number }) {
    this.#lanes = options.lanes;
    this.#mine = options.lanes[options.thread] as Int32Array;
  }

  /** The key's count over all threads. */
  count({ first, second }: SketchKey): number {
    let inFirst = 0;
    let inSecond = 0;
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      inFirst += Atomics.load(this.#lanes[lane] as Int32Array, first);
      inSecond += Atomics.load(this.#lanes[lane] as Int32Array, second);
    }
    return Math.min(inFirst, inSecond);
  }

  /** True when that thread counts the key at all. */
  has(thread: number, { first, second }: SketchKey): boolean {
    const lane = this.#lanes[thread] as Int32Array;
    return Atomics.load(lane, first) > 0 && Atomics.load(lane, second) > 0;
  }

  /** Counts on this thread's lane. */
  add({ first, second }: SketchKey, amount: number): void {
    Atomics.add(this.#mine, first, amount);
    Atomics.add(this.#mine, second, amount);
  }
}

/**
 * Where `name` is counted in a sketch of `words` counters. Salted per process so that nobody can choose names that share
 * counters.
 */
export function sketchKey(salt: string, name: string, words: number): SketchKey {
  const digest = hash("sha256", `${salt}\n${name}`);
  const width = Math.floor(words / SKETCH_ROWS);
  const place = (row: number): number =>
    row * width + (Number.parseInt(digest.slice(row * 8, row * 8 + 8), 16) % width);
  return { first: place(0), second: place(1) };
}
