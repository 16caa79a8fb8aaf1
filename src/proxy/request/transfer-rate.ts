/** The slowest a client may be. */
export interface MinimumRate {
  /** Bytes per second, on average; 0 = any. */
  readonly bytesPerSecond: number;
  /** Waiting that is not looked at, ms: connections start slowly, and small bodies come in one piece. */
  readonly afterMs: number;
}

/**
 * How fast a client moves its bytes while it is waited for. A deadline that each byte moves does not end a transfer of a
 * byte now and then; an average does.
 */
export class TransferRate {
  readonly #minimum: MinimumRate;
  #bytes = 0;
  #waitedMs = 0;
  /** Since when the client is waited for; -1 while it is not. */
  #since = -1;

  constructor(minimum: MinimumRate) {
    this.#minimum = minimum;
  }

  /** It is the client's turn. `now`: monotonic milliseconds. */
  wait(now: number): void {
    if (this.#since < 0) this.#since = now;
  }

  /** It is not the client's turn: what follows is no fault of its. */
  rest(now: number): void {
    if (this.#since >= 0) this.#waitedMs += now - this.#since;
    this.#since = -1;
  }

  moved(bytes: number): void {
    this.#bytes += bytes;
  }

  isTooSlow(now: number): boolean {
    const waitedMs = this.#waitedMs + (this.#since < 0 ? 0 : now - this.#since);
    const { bytesPerSecond, afterMs } = this.#minimum;
    return waitedMs > afterMs && this.#bytes * 1000 < bytesPerSecond * waitedMs;
  }
}
