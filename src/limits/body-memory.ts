import { GatewayError } from "../errors.ts";
import type { Cap } from "./cap.ts";
import type { SketchKey } from "./sketch.ts";

/** Bytes that are counted as one: every body takes a whole number of them. */
export const BODY_UNIT = 1024;

/**
 * What one body that is held in memory takes of what all such bodies may take together, over all threads, and of its
 * caller's share of that. The cap counts units of BODY_UNIT bytes.
 */
export class BodyMemory {
  readonly #cap: Cap;
  readonly #callerKey: SketchKey | null;
  #units = 0;

  constructor(options: { cap: Cap; callerKey: SketchKey | null }) {
    this.#cap = options.cap;
    this.#callerKey = options.callerKey;
  }

  /** The body has grown to `size` bytes. @throws GatewayError RATE_005 when there is no room for it. */
  grow(size: number): void {
    const more = Math.ceil(size / BODY_UNIT) - this.#units;
    if (more <= 0) return;
    const taken = this.#cap.take(this.#callerKey, more);
    if (taken !== "taken") {
      const whose = taken === "full" ? "all callers'" : "this caller's";
      throw new GatewayError("RATE_005", { details: `No room for more of ${whose} bodies`, retryAfter: 1 });
    }
    this.#units += more;
  }

  release(): void {
    if (this.#units > 0) this.#cap.release(this.#callerKey, this.#units);
    this.#units = 0;
  }
}
