/** Lets a fixed number of things happen at once and a bounded number wait, first come first served. */
export class Slots {
  #free: number;
  readonly #maxWaiting: number;
  readonly #waiting: Array<() => void> = [];

  constructor({ count, maxWaiting }: { count: number; maxWaiting: number }) {
    this.#free = count;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Claims a slot, waiting for it when there is none; call `release` once for each.
   * Resolves with false, having claimed nothing, when too many wait already. Rejects when the signal fires first.
   */
  async claim(signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return true;
    }
    if (this.#waiting.length >= this.#maxWaiting) return false;
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal.reason);
      };
      const enter = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(enter);
    });
    return true;
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next(); // the slot passes on without ever being free
  }
}
