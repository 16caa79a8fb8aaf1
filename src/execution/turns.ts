/** Longer documents are read one in a turn of the event loop, bytes. */
const LARGE = 262_144;

/** Keeps several large documents from being read in one turn of the event loop, where nobody else is served meanwhile. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Undefined when `text` is short; else a promise of a turn in which no other large document is read. */
  of(text: Buffer): Promise<void> | undefined {
    if (text.length <= LARGE) return undefined;
    this.#last = this.#last.then(() => new Promise<void>((resolve) => setImmediate(resolve)));
    return this.#last;
  }
}
