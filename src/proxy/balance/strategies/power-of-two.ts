import type { Instance } from "../../../domain/sandbox.ts";
import { loadOf } from "./load.ts";
import type { Situation, Strategy } from "../strategy.ts";
import { twoOf } from "./two.ts";

/**
 * Of two by chance the less busy one (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001): nearly as
 * even as looking at all of them, and never all threads to the same one.
 */
export class PowerOfTwo implements Strategy {
  readonly #random: () => number;

  constructor({ random = Math.random }: { random?: () => number } = {}) {
    this.#random = random;
  }

  pick(candidates: readonly Instance[], { board }: Situation): Instance {
    const [one, other] = twoOf(candidates, this.#random);
    return loadOf(other, board) < loadOf(one, board) ? other : one;
  }
}
