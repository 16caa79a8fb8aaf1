import type { Instance } from "../../../domain/sandbox.ts";
import type { Strategy } from "../strategy.ts";

/**
 * As often as their weights say, spread evenly: of weights 5, 1, 1 never five in a row (nginx's smooth weighted round robin).
 * Each turn every candidate gains its weight, the richest is taken and pays what all gained together. Weights of 0 alone
 * are as good as equal ones.
 */
export class Weighted implements Strategy {
  readonly #credit = new WeakMap<Instance, number>();

  pick(candidates: readonly Instance[]): Instance {
    let richest = candidates[0] as Instance;
    let most = Number.NEGATIVE_INFINITY;
    let total = 0;
    const none = candidates.every(({ weight }) => weight === 0);
    for (const candidate of candidates) {
      const weight = none ? 1 : candidate.weight;
      const credit = (this.#credit.get(candidate) ?? 0) + weight;
      this.#credit.set(candidate, credit);
      total += weight;
      if (credit > most && weight > 0) [richest, most] = [candidate, credit];
    }
    this.#credit.set(richest, most - total);
    return richest;
  }
}
