import type { Value } from "../domain/value/value.ts";

/** One configuration key. Its name is the property that holds it. */
export interface Key<T> {
  readonly value: Value<T>;
  /** The default, as it would be written in the file. */
  readonly initial: string;
  /** One sentence. */
  readonly doc: string;
}

/** A section of the file. Sections are for people: a key is found wherever it stands. */
export interface Section<K extends Readonly<Record<string, Key<unknown>>>> {
  readonly name: string;
  /** One sentence. */
  readonly title: string;
  readonly keys: K;
}

/** No timer may exceed 2^31 - 1 ms (24.8 days): Node would fire it at once. */
export const LONGEST = "24d";

export function key<T>(value: Value<T>, initial: string, doc: string): Key<T> {
  return { value, initial, doc };
}

export function section<const K extends Readonly<Record<string, Key<unknown>>>>(
  name: string,
  title: string,
  keys: K,
): Section<K> {
  return { name, title, keys };
}
