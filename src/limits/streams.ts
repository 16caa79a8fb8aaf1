import { ERRORS, GatewayError } from "../errors.ts";
import type { Cap } from "./cap.ts";
import type { Claim } from "./fair-queue.ts";

/** Who holds a slot, and whose it is. */
export interface SlotHolder extends Claim {
  slot: { release(claim: Claim): void } | null;
}

/**
 * Answers that go on: counted apart from requests, so that a hundred quiet streams are not an overload. Places are bounded
 * over all threads, and each caller has a share of them.
 */
export class Streams {
  readonly #cap: Cap;

  constructor(options: { cap: Cap }) {
    this.#cap = options.cap;
  }

  /** Streams open over all threads. */
  get open(): number {
    return this.#cap.taken;
  }

  /**
   * An answer that is a stream by its nature begins: it must have a place, and gives its request slot back.
   * @throws GatewayError RATE_004 when the caller's share of places is taken, RATE_002 when all are.
   */
  begin(holder: SlotHolder): void {
    const taken = this.#move(holder);
    // No Retry-After: the sandbox has had the call, and to repeat it may be to run it again.
    if (taken === "over share") throw new GatewayError("RATE_004", { executed: "maybe" });
    if (taken === "full") {
      throw new GatewayError("RATE_002", {
        details: "No place for another stream",
        remediation: ERRORS.RATE_004.remediation,
        executed: "maybe",
      });
    }
  }

  /** An answer has turned out to be long: it becomes a stream if there is a place; if not, it keeps its request slot. */
  become(holder: SlotHolder): void {
    this.#move(holder);
  }

  release({ callerKey }: Claim): void {
    this.#cap.release(callerKey);
  }

  #move(holder: SlotHolder): ReturnType<Cap["take"]> {
    const { slot } = holder;
    if (slot === null || slot === this) return "taken";
    const taken = this.#cap.take(holder.callerKey);
    if (taken !== "taken") return taken;
    holder.slot = this;
    slot.release(holder);
    return taken;
  }
}
