import type { Instance } from "../../../domain/sandbox.ts";
import type { Strategy } from "../strategy.ts";
import { areEqual, drawn } from "./weights.ts";

/** Any one of them, as likely as its weight says. */
export class Random implements Strategy {
  readonly #random: () => number;

  constructor({ random = Math.random }: { random?: () => number } = {}) {
    this.#random = random;
  }

  pick(candidates: readonly Instance[]): Instance {
    if (!areEqual(candidates)) return drawn(candidates, this.#random);
    return candidates[Math.floor(this.#random() * candidates.length)] as Instance;
  }
}
