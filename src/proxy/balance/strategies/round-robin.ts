import type { Instance, Sandbox } from "../../../domain/sandbox.ts";
import type { Situation, Strategy } from "../strategy.ts";

/** Each instance in its turn. A sandbox that changes starts a new round; each thread goes its own round. */
export class RoundRobin implements Strategy {
  readonly #turns = new WeakMap<Sandbox, { next: number }>();

  pick(candidates: readonly Instance[], { sandbox }: Situation): Instance {
    let turn = this.#turns.get(sandbox);
    if (turn === undefined) {
      turn = { next: 0 };
      this.#turns.set(sandbox, turn);
    }
    const { instances } = sandbox;
    for (;;) {
      const instance = instances[turn.next++ % instances.length] as Instance;
      if (candidates === instances || candidates.includes(instance)) return instance;
    }
  }
}
