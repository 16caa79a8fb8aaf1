import type { Instance } from "../../../domain/sandbox.ts";
import type { HashKey } from "./hash-key.ts";
import { bestOf, hashOf } from "./rendezvous.ts";
import type { Situation, Strategy } from "../strategy.ts";

/** How much busier than the average one instance may be made for its keys' sake (Mirrokni et al., 2016: 1 + ε). */
const BOUND = 1.25;

/**
 * The same key to the same instance, for as long as that one can be used and is not much busier than the others: then the
 * key goes to the next of its own order.
 */
export class ConsistentHash implements Strategy {
  readonly #key: HashKey;

  constructor({ key }: { key: HashKey }) {
    this.#key = key;
  }

  pick(candidates: readonly Instance[], { request, board }: Situation): Instance {
    const hash = hashOf(this.#key(request));
    const best = bestOf(candidates, hash);
    const loads = candidates.map((candidate) => board.inFlight(candidate));
    const most = Math.ceil((BOUND * (loads.reduce((sum, load) => sum + load, 0) + 1)) / candidates.length);
    if (board.inFlight(best) < most) return best;
    return bestOf(
      candidates.filter((_, index) => (loads[index] as number) < most),
      hash,
    );
  }
}
