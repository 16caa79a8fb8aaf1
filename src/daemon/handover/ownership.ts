import { setTimeout as delay } from "node:timers/promises";
import { hasCode } from "../../errors.ts";
import type { Part } from "../parts/parts.ts";

const PAUSE_MS = 250;

/**
 * What only one process does with a data folder at a time: it holds the lock, tells what it sees, keeps the head of the audit
 * chain. Given up as a whole when another process takes over, and taken back when that fails.
 */
export class Ownership {
  readonly #parts: Part<unknown>[] = [];
  #isHeld = true;

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Makes a part belong to it, from its start to its stop; the first one started is the last to be given up. */
  part<T>(part: Part<T>): Part<T> {
    return {
      start: () => {
        this.#parts.push(part);
        return part.start();
      },
      stop: async () => {
        const at = this.#parts.indexOf(part);
        if (at >= 0) this.#parts.splice(at, 1);
        if (this.#isHeld) await part.stop();
      },
    };
  }

  /** Stops what it consists of. Resolves when another process may have it. */
  async giveUp(): Promise<void> {
    this.#isHeld = false;
    for (const part of this.#parts.toReversed()) await part.stop();
  }

  /** Takes it back: waits for another process that has just taken the lock and cannot keep it. */
  async takeBack(): Promise<void> {
    const [lock, ...others] = this.#parts;
    while (!(await isStarted(lock))) await delay(PAUSE_MS);
    for (const part of others) await part.start();
    this.#isHeld = true;
  }
}

async function isStarted(lock: Part<unknown> | undefined): Promise<boolean> {
  try {
    await lock?.start();
    return true;
  } catch (error) {
    if (hasCode(error, "GW_004")) return false;
    throw error;
  }
}
