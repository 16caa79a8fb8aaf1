import { setTimeout as delay } from "node:timers/promises";

/** Who waits in a socket that was handed over waits this long for embedded sandboxes to start, at most. */
const LIMIT_MS = 10_000;
const POLL_MS = 10;

/** The instances that the daemon itself is starting now. */
export class Starting {
  readonly #ids = new Set<string>();

  /** A driver has told this of an instance. */
  told(id: string, state: string): void {
    if (state === "starting") this.#ids.add(id);
    else this.#ids.delete(id);
  }

  /** Resolves when there are none, or after a while. */
  async none(): Promise<void> {
    const until = performance.now() + LIMIT_MS;
    while (this.#ids.size > 0 && performance.now() < until) await delay(POLL_MS);
  }
}
