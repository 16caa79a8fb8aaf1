import type { Store } from "../store/store.ts";

const INTERVAL_MS = 1_000;

/** Writes what the daemon sees back to the store once a second, when it has changed: `status` needs nothing else. */
export class Observer {
  readonly #store: Pick<Store, "transaction" | "observed">;
  readonly #look: () => Readonly<Record<string, unknown>>;
  readonly #onError: (error: unknown) => void;
  #written = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    store: Pick<Store, "transaction" | "observed">;
    look: () => Readonly<Record<string, unknown>>;
    onError: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#look = options.look;
    this.#onError = options.onError;
  }

  start(): void {
    this.#write();
    this.#timer = setInterval(() => this.#write(), INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#write();
  }

  #write(): void {
    const json = JSON.stringify(this.#look());
    if (json === this.#written) return;
    try {
      this.#store.transaction(() => this.#store.observed.put("daemon", json, Date.now()));
      this.#written = json;
    } catch (error) {
      this.#onError(error);
    }
  }
}
