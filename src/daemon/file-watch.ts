import { statSync } from "node:fs";
import { GatewayError } from "../errors.ts";

const INTERVAL_MS = 1_000;

/**
 * Notices that a file which is held open is no longer the one at its path. SQLite does not: it goes on writing to a file
 * that nobody will ever find, while every other process sees another one or none.
 */
export class FileWatch {
  readonly #file: string;
  readonly #identity: string;
  readonly #onGone: () => void;
  #gone = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    file: string;
    /** Told once. */
    onGone: () => void;
  }) {
    this.#file = options.file;
    this.#identity = identityOf(options.file);
    this.#onGone = options.onGone;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** @throws GatewayError GW_008 once the file was found to be gone: nothing written since would ever be seen. */
  requireSame(): void {
    if (this.#gone) throw new GatewayError("GW_008", { details: `${this.#file} was moved or deleted` });
  }

  #look(): void {
    if (identityOf(this.#file) === this.#identity) return;
    this.#gone = true;
    this.stop();
    this.#onGone();
  }
}

function identityOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? "missing" : `${stat.dev}:${stat.ino}`;
}
