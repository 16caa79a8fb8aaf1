/** What InFlight keeps: an exchange. */
export interface Placed {
  /** Where it is kept; nobody else's business. */
  place: number;
}

/**
 * The exchanges of one thread, from their first byte until they are both recorded and closed: whoever has to reach all of
 * them (a revocation, a drain) finds them here, whatever they wait for.
 *
 * An array in which the last item takes the place of a removed one. Not a Set: V8 links each outgrown table of a Set to
 * the next, so that in the old generation they keep every finished request alive until a full collection.
 */
export class InFlight<T extends Placed> {
  readonly #exchanges: T[] = [];

  get size(): number {
    return this.#exchanges.length;
  }

  add(exchange: T): void {
    exchange.place = this.#exchanges.push(exchange) - 1;
  }

  /** No effect on an exchange that is not in it. */
  remove(exchange: T): void {
    if (this.#exchanges[exchange.place] !== exchange) return;
    const last = this.#exchanges.pop() as T;
    if (last === exchange) return;
    this.#exchanges[exchange.place] = last;
    last.place = exchange.place;
  }

  /** What is in flight now; those that leave meanwhile are still visited. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#exchanges.slice().values();
  }
}
