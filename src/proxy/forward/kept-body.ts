import type { BodyMemory } from "../../limits/body-memory.ts";

/** Larger bodies are never kept, bytes. */
export const KEPT_MOST = 64 * 1024;

/**
 * What has been read of a client's body so far, kept so that it can be sent once more. It takes room in the memory for
 * bodies; where there is none, or the body turns out too large, it lets go of everything: the call goes on, but is
 * not repeated.
 */
export class KeptBody {
  readonly #memory: BodyMemory;
  #chunks: Buffer[] = [];
  #size = 0;
  #dropped = false;

  constructor(memory: BodyMemory) {
    this.#memory = memory;
  }

  /** Nothing of what was read is missing. */
  get whole(): boolean {
    return !this.#dropped;
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  add(chunk: Buffer): void {
    if (this.#dropped) return;
    this.#size += chunk.length;
    if (this.#size > KEPT_MOST) return this.drop();
    try {
      this.#memory.grow(this.#size);
    } catch {
      return this.drop(); // no room: then it cannot be repeated, which is no reason to refuse it
    }
    // A copy: the chunk may be a small part of something large that nobody else holds on to.
    this.#chunks.push(Buffer.from(chunk));
  }

  /** It will not be sent again. */
  drop(): void {
    this.#dropped = true;
    this.#chunks = [];
    this.#memory.release();
  }
}
