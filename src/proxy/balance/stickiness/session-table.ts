/** Places for sessions that differ in no bit of their hash that matters here. */
const WAYS = 4;
const BUCKETS = 1 << 15;
/** Buckets that one sandbox's sessions may lie in: whoever invents sessions without end loses no more than these to others. */
const WINDOW = 1 << 12;
/** Tag, instance number, end. */
const PLACE_WORDS = 3;

/** Words of a table: 131,072 sessions in 1.5 MB, of which one sandbox has 16,384 at most. */
export const SESSION_WORDS = BUCKETS * WAYS * PLACE_WORDS;

/** A session, as 32-bit hashes of it that have nothing to do with each other. */
export interface SessionKey {
  /** Of its sandbox. */
  readonly window: number;
  readonly bucket: number;
  readonly tag: number;
  readonly check: number;
}

/**
 * To which instance each session is bound, over all threads, in bounded memory. When a bucket is full, the session that
 * would be forgotten next is forgotten now. Nothing is locked: what one thread writes while another reads decodes to an
 * instance number that no instance of the sandbox has (Hyatt and Mann, "A lockless transposition table", 2002).
 */
export class SessionTable {
  readonly #words: Int32Array;

  /** `words`: SESSION_WORDS of shared memory, zero at first. */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** The instance's number and when it is forgotten; undefined when nothing is known. `now`: seconds since the epoch. */
  find(key: SessionKey, now: number): { readonly number: number; readonly until: number } | undefined {
    const first = bucketOf(key);
    for (let at = first; at < first + WAYS * PLACE_WORDS; at += PLACE_WORDS) {
      if (Atomics.load(this.#words, at) !== (key.tag | 0)) continue;
      const number = (Atomics.load(this.#words, at + 1) ^ key.check) >>> 0;
      const until = Atomics.load(this.#words, at + 2) >>> 0;
      if (until > now) return { number, until };
    }
    return undefined;
  }

  /** Binds the session until then, seconds since the epoch. */
  put(key: SessionKey, { number, until }: { readonly number: number; readonly until: number }): void {
    const first = bucketOf(key);
    let place = first;
    let soonest = Number.POSITIVE_INFINITY;
    for (let at = first; at < first + WAYS * PLACE_WORDS; at += PLACE_WORDS) {
      const end = Atomics.load(this.#words, at + 2) >>> 0;
      const isItself = Atomics.load(this.#words, at) === (key.tag | 0);
      if (isItself || end < soonest) [place, soonest] = [at, end];
      if (isItself) break;
    }
    Atomics.store(this.#words, place, key.tag);
    Atomics.store(this.#words, place + 1, number ^ key.check);
    Atomics.store(this.#words, place + 2, until);
  }
}

function bucketOf({ window, bucket }: SessionKey): number {
  return (((window >>> 0) + ((bucket >>> 0) % WINDOW)) % BUCKETS) * WAYS * PLACE_WORDS;
}
