/** How long every one served must have waited too long before that is taken for overload and not for a burst, ms. */
const INTERVAL_MS = 500;

/**
 * How deep a queue is worth to be. A queue that is served too late for a whole interval, and into which at least as many
 * come as leave it, only makes everybody wait: it shall hold what can be served within the target and no more.
 * CoDel's measure (Nichols & Jacobson 2012, RFC 8289): not how long the queue is, but how long the luckiest one waited.
 * What CoDel drops at the exit is refused at the entrance instead, so that a refusal comes at once and says so.
 * A burst (many at once, then none) drains however long that takes. Pressure is over when for an interval nobody had to be
 * refused.
 */
export class Pressure {
  readonly #targetMs: number;
  /** When the interval began; -1 while there is no pressure and the last one was served in time. */
  #since = -1;
  #arrived = 0;
  #refused = 0;
  #served = 0;
  #depth = Number.POSITIVE_INFINITY;

  constructor(targetMs: number) {
    this.#targetMs = targetMs;
  }

  /** How many may wait; Infinity when there is no pressure. */
  get depth(): number {
    return this.#depth;
  }

  /** Somebody comes to a queue in which `length` wait. False: it is deep enough. */
  arrive(length: number): boolean {
    this.#arrived += 1;
    if (length < this.#depth) return true;
    this.#refused += 1;
    return false;
  }

  /** Somebody left the queue for what it waited for. `now`: monotonic milliseconds. */
  served(waitedMs: number, now: number): void {
    const pressed = this.#depth !== Number.POSITIVE_INFINITY;
    if (!pressed && waitedMs < this.#targetMs) {
      this.#since = -1;
      return;
    }
    if (this.#since < 0) return this.#restart(now);
    this.#served += 1;
    const elapsed = now - this.#since;
    if (elapsed < INTERVAL_MS) return;
    const needed = pressed ? this.#refused > 0 : this.#arrived >= this.#served;
    this.#depth = needed
      ? Math.max(1, Math.floor((this.#served / elapsed) * this.#targetMs))
      : Number.POSITIVE_INFINITY;
    this.#restart(now);
  }

  #restart(now: number): void {
    this.#since = now;
    this.#arrived = 0;
    this.#refused = 0;
    this.#served = 0;
  }
}
