import { statSync } from "node:fs";
import { GatewayError } from "../errors.ts";

const INTERVAL_MS = 1_000;

/**
 * Notices that one of the files which are held open is no longer the one at its path. SQLite does not: it goes on writing to
 * a file that nobody will ever find, while every other process sees another one or none.
 */
export class FileWatch {
  readonly #identities: ReadonlyMap<string, string>;
  readonly #onGone: (file: string) => void;
  #gone: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    /** As they are now. */
    files: readonly string[];
    /** Told once, of the first that has gone. */
    onGone: (file: string) => void;
  }) {
    this.#identities = new Map(options.files.map((file) => [file, identityOf(file)]));
    this.#onGone = options.onGone;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** @throws GatewayError GW_008 once a file was found to be gone: nothing written since would ever be seen. */
  requireSame(): void {
    if (this.#gone !== undefined) throw new GatewayError("GW_008", { details: `${this.#gone} was moved or deleted` });
  }

  #look(): void {
    for (const [file, identity] of this.#identities) {
      if (identityOf(file) === identity) continue;
      this.#gone = file;
      this.stop();
      return this.#onGone(file);
    }
  }
}

/** A path that cannot be followed (a loop of links, a folder that is shut) leads nobody to the file. */
function identityOf(file: string): string {
  try {
    const { dev, ino } = statSync(file);
    return `${dev}:${ino}`;
  } catch {
    return "missing";
  }
}
