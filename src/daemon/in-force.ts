import type { StateStore } from "../store/store.ts";

/** Threads take a change over in a fraction of a millisecond; one that hangs is not asked a thousand times a second. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 100;

/**
 * Tells the store which revision all data threads serve, as soon as they do: a command that has changed something waits
 * for it before it returns.
 */
export class InForce {
  readonly #store: Pick<StateStore, "observed">;
  readonly #served: () => number | undefined;
  readonly #onError: (error: unknown) => void;
  /** Revision of the newest change that was handed to the threads. */
  #handedOut = 0;
  /** Undefined: nothing, or it could not be written. */
  #written: number | undefined;
  #failing = false;
  #tell: ((revision: number) => void) | undefined;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    store: Pick<StateStore, "observed">;
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

  /** The store is another process's to write: `tell` gets the revisions instead, the present one at once. */
  giveUp(tell: (revision: number) => void): void {
    this.#tell = tell;
    this.#written = undefined;
    this.look();
  }

  /** It is this one's again. */
  takeBack(): void {
    this.#tell = undefined;
    this.#written = undefined;
    this.look();
  }

  /** Resolves when the store is no longer written to. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
  }

  #look(nextMs: number): void {
    clearTimeout(this.#timer);
    const served = this.#served();
    if (served !== undefined && served !== this.#written) {
      this.#writing ??= this.#write(served).finally(() => {
        this.#writing = undefined;
      });
    }
    if (this.#written === this.#handedOut) return;
    this.#timer = setTimeout(() => this.#look(Math.min(nextMs * 1.2, LAST_LOOK_MS)), nextMs);
  }

  async #write(revision: number): Promise<void> {
    try {
      if (this.#tell !== undefined) this.#tell(revision);
      else await this.#store.observed.put("in_force", JSON.stringify({ revision }), Date.now());
      this.#written = revision;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#onError(error);
      this.#failing = true;
    }
  }
}

/** What both of two processes serve; undefined while this one serves nobody. The other one may be gone. */
export function lowestRevision(own: number | undefined, other: number | undefined): number | undefined {
  return own === undefined || other === undefined ? own : Math.min(own, other);
}
