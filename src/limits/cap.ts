import { Sketch, type SketchKey } from "./sketch.ts";

/** What one thread has taken, in shared memory. */
export interface CapLane {
  /** [0] in all. */
  readonly total: Int32Array;
  /** By key. */
  readonly sketch: Int32Array;
}

/** A number of places over all threads, of which no key may have more than its share. Nobody waits for one. */
export class Cap {
  readonly #lanes: readonly CapLane[];
  readonly #mine: CapLane;
  readonly #sketch: Sketch;
  readonly #max: number;
  readonly #share: number;

  /** `share`: most places of one key. */
  constructor(options: { lanes: readonly CapLane[]; thread: number; max: number; share: number }) {
    this.#lanes = options.lanes;
    this.#mine = options.lanes[options.thread] as CapLane;
    this.#sketch = new Sketch({ lanes: options.lanes.map(({ sketch }) => sketch), thread: options.thread });
    this.#max = options.max;
    this.#share = options.share;
  }

  /** Places taken over all threads. */
  get taken(): number {
    let sum = 0;
    for (const { total } of this.#lanes) sum += Atomics.load(total, 0);
    return sum;
  }

  /** Takes places, or says which limit stands against that. A key of null has no share, only the whole. */
  take(key: SketchKey | null, places = 1): "taken" | "full" | "over share" {
    if (this.taken + places > this.#max) return "full";
    if (key !== null && this.#sketch.count(key) + places > this.#share) return "over share";
    this.#add(key, places);
    return "taken";
  }

  /** Gives back what `take` gave to the key. */
  release(key: SketchKey | null, places = 1): void {
    this.#add(key, -places);
  }

  #add(key: SketchKey | null, amount: number): void {
    Atomics.add(this.#mine.total, 0, amount);
    if (key !== null) this.#sketch.add(key, amount);
  }
}
