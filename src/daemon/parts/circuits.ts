import { type Observed, observedByDaemon } from "../../control/verbs/status.ts";
import { type CircuitChange, observedCircuits } from "../../domain/instance/circuit.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { SharedBoard } from "../../proxy/health/board.ts";
import type { StateStore } from "../../store/store.ts";

/** Closes a circuit by hand: all threads see it at once. */
export function closeCircuit(board: SharedBoard, { sandboxes }: Snapshot, change: CircuitChange): void {
  const instance = sandboxes.get(change.sandboxId)?.instances.find(({ id }) => id === change.instanceId);
  if (instance !== undefined) board.closeCircuit(instance, change.forget);
}

/** What was open when the last daemon looked is open still, for what is left of its time. */
export async function restoreCircuits(
  store: Pick<StateStore, "observed">,
  board: SharedBoard,
  { sandboxes }: Snapshot,
): Promise<void> {
  // Lost or unreadable, it is learned anew: no reason not to start.
  const observed: Observed = await observedByDaemon(store, "daemon").catch(() => ({}));
  const circuits = observedCircuits(observed["circuits"]);
  if (circuits.size === 0) return;
  const now = Date.now();
  for (const { instances } of sandboxes.values()) {
    for (const instance of instances) {
      const circuit = circuits.get(instance.id);
      if (circuit === undefined || circuit.state === "closed") continue;
      board.restoreCircuit(instance, circuit.ejections, Math.max(0, circuit.probe_at_ms - now));
    }
  }
}
