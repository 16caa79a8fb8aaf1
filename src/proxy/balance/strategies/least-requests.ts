import type { Instance } from "../../../domain/sandbox.ts";
import { loadOf } from "./load.ts";
import type { Situation, Strategy } from "../strategy.ts";

/** The one with the fewest requests in flight beside its weight; among equals any. */
export class LeastRequests implements Strategy {
  readonly #random: () => number;

  constructor({ random = Math.random }: { random?: () => number } = {}) {
    this.#random = random;
  }

  pick(candidates: readonly Instance[], { board }: Situation): Instance {
    // From another place each time: idle instances would else wait behind the first of them.
    const from = Math.floor(this.#random() * candidates.length);
    let idlest = candidates[from] as Instance;
    let least = loadOf(idlest, board);
    for (let step = 1; step < candidates.length; step++) {
      const candidate = candidates[(from + step) % candidates.length] as Instance;
      const load = loadOf(candidate, board);
      if (load < least) [idlest, least] = [candidate, load];
    }
    return idlest;
  }
}
