/** Repeats that each call adds to what is left. */
const SHARE = 0.2;
/** Repeats that may come at once: as when an instance with many calls on it restarts. */
const MOST = 100;

/**
 * How many calls may be sent a second time: a fifth of all, so that instances which break under their load do not get twice
 * as much of it. One for each thread.
 */
export class RetryBudget {
  #left = MOST;

  /** A call begins. */
  earn(): void {
    if (this.#left < MOST) this.#left += SHARE;
  }

  /** Takes one repeat, if there is one. */
  spend(): boolean {
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
