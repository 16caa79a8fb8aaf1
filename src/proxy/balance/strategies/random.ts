import type { Instance } from "../../../domain/sandbox.ts";
import type { Strategy } from "../strategy.ts";

/** Any one of them, as likely as the others. */
export class Random implements Strategy {
  readonly #random: () => number;

  constructor({ random = Math.random }: { random?: () => number } = {}) {
    this.#random = random;
  }

  pick(candidates: readonly Instance[]): Instance {
    return candidates[Math.floor(this.#random() * candidates.length)] as Instance;
  }
}
