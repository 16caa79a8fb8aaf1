const MERGE_AT = 1024;

/**
 * A map that is never edited: `with` and `without` return a new one and leave the old one as it was.
 * Two layers make that cheap: a change copies only the small recent layer, which is merged into the big one
 * every 1,024 changes (copying a 100,000-entry Map takes about 5 ms, a 1,024-entry one about 30 µs).
 */
export class LayeredMap<V extends object> {
  readonly #base: ReadonlyMap<string, V>;
  /** Newer than the base; null marks a removed key. */
  readonly #recent: ReadonlyMap<string, V | null>;

  private constructor(base: ReadonlyMap<string, V>, recent: ReadonlyMap<string, V | null>) {
    this.#base = base;
    this.#recent = recent;
  }

  static from<V extends object>(entries: Iterable<readonly [string, V]>): LayeredMap<V> {
    return new LayeredMap(new Map(entries), new Map());
  }

  get(key: string): V | undefined {
    const recent = this.#recent.get(key);
    return recent === undefined ? this.#base.get(key) : (recent ?? undefined);
  }

  with(key: string, value: V): LayeredMap<V> {
    return this.#put(key, value);
  }

  without(key: string): LayeredMap<V> {
    return this.get(key) === undefined ? this : this.#put(key, null);
  }

  get size(): number {
    let size = this.#base.size;
    for (const [key, value] of this.#recent) size += Number(value !== null) - Number(this.#base.has(key));
    return size;
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  *entries(): IterableIterator<[string, V]> {
    for (const [key, value] of this.#base) if (!this.#recent.has(key)) yield [key, value];
    for (const [key, value] of this.#recent) if (value !== null) yield [key, value];
  }

  #put(key: string, value: V | null): LayeredMap<V> {
    const recent = new Map(this.#recent).set(key, value);
    return recent.size < MERGE_AT
      ? new LayeredMap(this.#base, recent)
      : LayeredMap.from(new LayeredMap(this.#base, recent).entries());
  }
}
