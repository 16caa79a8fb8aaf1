import type { StateStore } from "../store/store.ts";

const INTERVAL_MS = 1_000;

/**
 * Writes what the daemon sees back to the store, when it has changed: once a second, and when somebody may be waiting for
 * it. `status` and the lists need nothing else.
 */
export class Observer {
  readonly #store: Pick<StateStore, "observed">;
  readonly #look: () => Readonly<Record<string, unknown>>;
  readonly #onError: (error: unknown) => void;
  #written = "";
  #failing = false;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    store: Pick<StateStore, "observed">;
    look: () => Readonly<Record<string, unknown>>;
    /** It could not be written. Tried again; told once until that works. */
    onError: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#look = options.look;
    this.#onError = options.onError;
  }

  /** Resolves when it has been written, or the error was told, for the first time. */
  start(): Promise<void> {
    this.#written = ""; // another process may have written meanwhile
    this.#timer = setInterval(() => void this.#write(), INTERVAL_MS);
    return this.#write();
  }

  /** Writes now what has changed; what is to be seen before the start is in its first look. */
  look(): void {
    if (this.#timer !== undefined) void this.#write();
  }

  /** Resolves after a last attempt, if it had been started. */
  async stop(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    await this.#write();
  }

  /** One at a time: a store slower than the interval gets what is to be seen when it is ready. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeOnce().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeOnce(): Promise<void> {
    try {
      const json = JSON.stringify(this.#look());
      if (json === this.#written) return;
      await this.#store.observed.put("daemon", json, Date.now());
      this.#written = json;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#onError(error);
      this.#failing = true;
    }
  }
}
