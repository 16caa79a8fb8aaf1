import type { Instance } from "../../../domain/sandbox.ts";
import type { HashKey } from "./hash-key.ts";
import { bestOf, hashOf } from "./rendezvous.ts";
import type { Situation, Strategy } from "../strategy.ts";

/** How much busier than its share one instance may be made for its keys' sake (Mirrokni et al., 2016: 1 + ε). */
const BOUND = 1.25;

/**
 * The same key to the same instance, for as long as that one can be used and is not much busier than the others: then the
 * key goes to the next of its own order. Each has as many of the keys, and of the load, as its weight says.
 */
export class ConsistentHash implements Strategy {
  readonly #key: HashKey;

  constructor({ key }: { key: HashKey }) {
    this.#key = key;
  }

  pick(candidates: readonly Instance[], { request, board }: Situation): Instance {
    const hash = hashOf(this.#key(request));
    const best = bestOf(candidates, hash);
    // Read once: other threads count on meanwhile, and at least one has room for as long as nothing moves.
    const loads = candidates.map((candidate) => board.inFlight(candidate));
    const load = loads.reduce((sum, each) => sum + each, 1);
    const weights = candidates.reduce((sum, { weight }) => sum + weight, 0);
    const hasRoom = ({ weight }: Instance, index: number): boolean => {
      const share = weights === 0 ? 1 / candidates.length : weight / weights;
      return (loads[index] as number) < Math.ceil(BOUND * load * share);
    };
    if (hasRoom(best, candidates.indexOf(best))) return best;
    return bestOf(candidates.filter(hasRoom), hash);
  }
}
