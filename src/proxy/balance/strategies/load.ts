import type { Instance } from "../../../domain/sandbox.ts";
import type { PickBoard } from "../strategy.ts";

/** How busy an instance would be with one more, beside its weight. One of weight 0 comes after all that have any. */
export function loadOf(instance: Instance, board: PickBoard): number {
  return (board.inFlight(instance) + 1) / (instance.weight || 1e-9);
}
