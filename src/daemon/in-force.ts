import type { Store } from "../store/store.ts";

/** Threads take a change over in a fraction of a millisecond; one that hangs is not asked a thousand times a second. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 100;

/**
 * Tells the store which revision all data threads serve, as soon as they do: a command that has changed something waits
 * for it before it returns.
 */
export class InForce {
  readonly #store: Pick<Store, "transaction" | "observed">;
  readonly #served: () => number | undefined;
  readonly #onError: (error: unknown) => void;
  /** Revision of the newest change that was handed to the threads. */
  #handedOut = 0;
  /** Undefined: nothing, or it could not be written. */
  #written: number | undefined;
  #failing = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    store: Pick<Store, "transaction" | "observed">;
    /** The revision that all data threads serve; undefined while none serves. */
    served: () => number | undefined;
    /** It could not be written. Tried again; told once until that works. */
    onError: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#served = options.served;
    this.#onError = options.onError;
  }

  /** Changes up to this revision have been handed to the threads. */
  handedOut(revision: number): void {
    this.#handedOut = revision;
    this.look();
  }

  /** Looks now, and again until everything handed out is in force. */
  look(): void {
    this.#look(FIRST_LOOK_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(nextMs: number): void {
    clearTimeout(this.#timer);
    const served = this.#served();
    if (served !== undefined && served !== this.#written) this.#write(served);
    if (this.#written === this.#handedOut) return;
    this.#timer = setTimeout(() => this.#look(Math.min(nextMs * 1.2, LAST_LOOK_MS)), nextMs);
  }

  #write(revision: number): void {
    try {
      const json = JSON.stringify({ revision });
      this.#store.transaction(() => this.#store.observed.put("in_force", json, Date.now()));
      this.#written = revision;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#onError(error);
      this.#failing = true;
    }
  }
}
