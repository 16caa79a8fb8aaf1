/** Tickets that can be out at once. */
export const TICKET_SLOTS = 1 << 12;
/** Slots that are looked at for a free one. */
const LOOKS = 16;

export interface TicketWords {
  /** [0] where the next slot is looked for. */
  readonly next: Int32Array;
  /** What the ticket in the slot says it is; 0 = it has been used. */
  readonly values: BigInt64Array;
  /** When the slot is free again, milliseconds since the epoch. */
  readonly ends: BigInt64Array;
}

/**
 * Which tickets are out, over all threads. A ticket names its slot, so it is used by one compare-and-swap: once, whichever
 * threads are shown it at the same moment.
 */
export class TicketSlots {
  readonly #words: TicketWords;

  constructor(words: TicketWords) {
    this.#words = words;
  }

  /** Keeps `value` (not 0) until then. Returns the slot; undefined when none is free. `now`, `end`: ms since the epoch. */
  put(value: bigint, end: number, now: number): number | undefined {
    const { next, values, ends } = this.#words;
    for (let look = 0; look < LOOKS; look++) {
      const slot = Atomics.add(next, 0, 1) & (TICKET_SLOTS - 1);
      const taken = Atomics.load(ends, slot);
      const isFree = Number(taken) <= now || Atomics.load(values, slot) === 0n;
      if (!isFree || Atomics.compareExchange(ends, slot, taken, BigInt(end)) !== taken) continue;
      Atomics.store(values, slot, value);
      return slot;
    }
    return undefined;
  }

  /** True once, for whoever is first. */
  use(slot: number, value: bigint): boolean {
    return value !== 0n && Atomics.compareExchange(this.#words.values, slot, value, 0n) === value;
  }
}
