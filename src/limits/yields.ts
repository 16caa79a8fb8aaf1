import type { SketchKey } from "./sketch.ts";

/** A thread that does not answer within this time has lost its turn, ms. */
const ANSWER_MS = 20;

/**
 * The shares in which a thread takes no room for now, because it has just given some back and calls on other threads wait
 * for it: those would otherwise always come too late, and never be served while this thread has calls of its own.
 */
export class Yields {
  readonly #onExpired: () => void;
  #keys: SketchKey[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `onExpired`: nobody has answered, and there is room again. */
  constructor(options: { onExpired: () => void }) {
    this.#onExpired = options.onExpired;
  }

  has(key: SketchKey): boolean {
    return (
      this.#keys.length > 0 && this.#keys.some(({ first, second }) => first === key.first && second === key.second)
    );
  }

  add(key: SketchKey): void {
    if (!this.has(key)) this.#keys.push(key);
    this.#timer ??= setTimeout(() => {
      this.clear();
      this.#onExpired();
    }, ANSWER_MS).unref();
  }

  clear(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#keys = [];
  }
}
