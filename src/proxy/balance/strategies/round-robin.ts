import type { Instance, Sandbox } from "../../../domain/sandbox.ts";
import type { Situation, Strategy } from "../strategy.ts";
import { areEqual } from "./weights.ts";

interface Turn {
  next: number;
  /** What each has gained and not had yet; undefined where all weigh the same. */
  readonly credit: Map<Instance, number> | undefined;
}

/**
 * Each instance in its turn, as often as its weight says. A sandbox that changes starts a new round; each thread goes its own
 * round.
 */
export class RoundRobin implements Strategy {
  readonly #turns = new WeakMap<Sandbox, Turn>();

  pick(candidates: readonly Instance[], { sandbox }: Situation): Instance {
    const { instances } = sandbox;
    let turn = this.#turns.get(sandbox);
    if (turn === undefined) {
      turn = { next: 0, credit: areEqual(instances) ? undefined : new Map() };
      this.#turns.set(sandbox, turn);
    }
    if (turn.credit !== undefined) return richest(candidates, turn.credit);
    for (;;) {
      const instance = instances[turn.next++ % instances.length] as Instance;
      if (candidates === instances || candidates.includes(instance)) return instance;
    }
  }
}

/**
 * Spread evenly: of weights 5, 1, 1 never five in a row (nginx's smooth weighted round robin). Each turn every candidate gains
 * its weight, the richest is taken and pays what all gained together. Weights of 0 alone are as good as equal ones.
 */
function richest(candidates: readonly Instance[], credits: Map<Instance, number>): Instance {
  let chosen = candidates[0] as Instance;
  let most = Number.NEGATIVE_INFINITY;
  let total = 0;
  const none = candidates.every(({ weight }) => weight === 0);
  for (const candidate of candidates) {
    const weight = none ? 1 : candidate.weight;
    const credit = (credits.get(candidate) ?? 0) + weight;
    credits.set(candidate, credit);
    total += weight;
    if (credit > most && weight > 0) [chosen, most] = [candidate, credit];
  }
  credits.set(chosen, most - total);
  return chosen;
}
