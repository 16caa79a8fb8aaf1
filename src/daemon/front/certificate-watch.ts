import { stat } from "node:fs/promises";

const INTERVAL_MS = 1_000;

/**
 * Notices that a certificate's files have changed, or that others stand in their place. Whoever renews them writes one after the
 * other: what does not fit together is asked for again when the next one has changed.
 */
export class CertificateWatch {
  readonly #files: () => readonly string[];
  readonly #onChange: () => void;
  #seen: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { files: () => readonly string[]; onChange: () => void }) {
    this.#files = options.files;
    this.#onChange = options.onChange;
  }

  async start(): Promise<void> {
    this.#seen = await this.#look();
    this.#next();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #next(): void {
    this.#timer = setTimeout(() => {
      void this.#look().then((seen) => {
        const isOther = seen !== this.#seen;
        this.#seen = seen;
        if (this.#timer === undefined) return; // it was stopped meanwhile
        if (isOther) this.#onChange();
        this.#next();
      });
    }, INTERVAL_MS);
  }

  async #look(): Promise<string> {
    const marks = await Promise.all(this.#files().map(markOf));
    return marks.join("\n");
  }
}

async function markOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs } = await stat(file);
    return `${dev} ${ino} ${size} ${mtimeMs}`;
  } catch {
    return "missing";
  }
}
