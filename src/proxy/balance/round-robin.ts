import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import type { PickBoard, PickRequest, Strategy } from "./strategy.ts";

/** Each instance in its turn. A sandbox that changes starts a new round; each thread goes its own round. */
export class RoundRobin implements Strategy {
  readonly #turns = new WeakMap<Sandbox, { next: number }>();

  pick(sandbox: Sandbox, _request: PickRequest, _board: PickBoard, tried: readonly Instance[]): Instance | undefined {
    const { instances } = sandbox;
    if (instances.length === 1) return tried.length === 0 ? instances[0] : undefined;
    let turn = this.#turns.get(sandbox);
    if (turn === undefined) {
      turn = { next: 0 };
      this.#turns.set(sandbox, turn);
    }
    for (let step = 0; step < instances.length; step++) {
      const instance = instances[turn.next % instances.length];
      turn.next = (turn.next + 1) % instances.length;
      if (instance !== undefined && !tried.includes(instance)) return instance;
    }
    return undefined;
  }
}
