/** While a set has less than a 32nd of all slots, a list of them takes less room than a bit for each slot. */
const DENSE = 32;
/** Up to so many always stand in a list. */
const FEW = 64;
/** Most sets never have any: a label that only one sandbox has. */
const NO_BITS = new Int32Array(0);

/**
 * A set of slots, which are small numbers: what several sets have in common is found in a step for each member of a small
 * one, or a step for each 32 slots.
 */
export class Slots {
  /** In ascending order; null when there is a bit for each. */
  #list: number[] | null = [];
  #bits = NO_BITS;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Null when there is a bit for each of them. */
  get list(): readonly number[] | null {
    return this.#list;
  }

  get bits(): Int32Array {
    return this.#bits;
  }

  has(slot: number): boolean {
    if (this.#list !== null) return this.#list[placeIn(this.#list, slot)] === slot;
    return (((this.#bits[slot >>> 5] ?? 0) >>> (slot & 31)) & 1) === 1;
  }

  /** `room`: how many slots there are in all. */
  add(slot: number, room: number): void {
    if (this.has(slot)) return;
    this.#size += 1;
    if (this.#list === null) return this.#set(slot, room);
    this.#list.splice(placeIn(this.#list, slot), 0, slot);
    if (this.#size <= Math.max(FEW, room / DENSE)) return;
    for (const each of this.#list) this.#set(each, room);
    this.#list = null;
  }

  delete(slot: number): void {
    if (!this.has(slot)) return;
    this.#size -= 1;
    if (this.#list === null) this.#bits[slot >>> 5] = (this.#bits[slot >>> 5] as number) & ~(1 << (slot & 31));
    else this.#list.splice(placeIn(this.#list, slot), 1);
  }

  #set(slot: number, room: number): void {
    const word = slot >>> 5;
    if (word >= this.#bits.length) {
      const longer = new Int32Array(Math.ceil((Math.max(room, slot + 1) * 1.25) / 32));
      longer.set(this.#bits);
      this.#bits = longer;
    }
    this.#bits[word] = (this.#bits[word] as number) | (1 << (slot & 31));
  }
}

/** Where a slot is in an ascending list, or would be. */
function placeIn(list: readonly number[], slot: number): number {
  let high = list.length;
  if (high === 0 || (list[high - 1] as number) < slot) return high; // as in a list that is made in order
  let low = 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as number) < slot) low = middle + 1;
    else high = middle;
  }
  return low;
}
