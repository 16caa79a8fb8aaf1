/** Repeats that each call adds to what is left for all sandboxes. */
const SHARE = 0.2;
/** Repeats that may come at once: as when an instance with many calls on it restarts. */
const MOST = 100;
/** Repeats a second that a sandbox has of its own. */
const FLOOR = 10;

/** What a sandbox has left of its own, and since when. */
interface Floor {
  left: number;
  /** Monotonic, ms. */
  at: number;
}

/**
 * How many calls may be sent a second time: a fifth of all, so that instances which break under their load do not get twice
 * as much of it. One for each thread. Every sandbox also has a few of its own, which go first: one that breaks all of its
 * calls leaves the others theirs. Keyed by the object of the snapshot, so that nothing is kept of a sandbox that has gone.
 */
export class RetryBudget {
  #left = MOST;
  readonly #floors = new WeakMap<object, Floor>();

  /** A call begins. */
  earn(): void {
    if (this.#left < MOST) this.#left += SHARE;
  }

  /** Takes one repeat of a call to `sandbox`, if there is one. `now`: monotonic, ms. */
  spend(sandbox: object, now: number): boolean {
    if (this.#spendOwn(sandbox, now)) return true;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  #spendOwn(sandbox: object, now: number): boolean {
    let floor = this.#floors.get(sandbox);
    if (floor === undefined) {
      floor = { left: FLOOR, at: now };
      this.#floors.set(sandbox, floor);
    }
    floor.left = Math.min(FLOOR, floor.left + ((now - floor.at) / 1000) * FLOOR);
    floor.at = now;
    if (floor.left < 1) return false;
    floor.left -= 1;
    return true;
  }
}
