import { type Observed, observedByDaemon } from "../../control/verbs/status.ts";
import { type CircuitChange, type ObservedCircuit, observedCircuits } from "../../domain/instance/circuit.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { SharedBoard } from "../../proxy/health/board.ts";
import type { StateStore } from "../../store/store.ts";
import type { Log } from "./log.ts";

/** Closes a circuit by hand: all threads see it at once. */
export function closeCircuit(board: SharedBoard, { sandboxes }: Snapshot, change: CircuitChange): void {
  const instance = sandboxes.get(change.sandboxId)?.instances.find(({ id }) => id === change.instanceId);
  if (instance !== undefined) board.closeCircuit(instance, change.forget);
}

/** Tells the log when circuits open, are tried and close: what has changed since it looked last. */
export class CircuitLog {
  readonly #log: Log;
  #before: Readonly<Record<string, ObservedCircuit>> = {};

  constructor({ log }: { log: Log }) {
    this.#log = log;
  }

  /** `circuits`: by instance id; what is not among them is closed. */
  look(circuits: Readonly<Record<string, ObservedCircuit>>): void {
    const before = this.#before;
    this.#before = circuits;
    for (const id of new Set([...Object.keys(before), ...Object.keys(circuits)])) {
      const [was, is] = [before[id]?.state ?? "closed", circuits[id]?.state ?? "closed"];
      if (was === is) continue;
      const fields = { instance: id, circuit: is, opened: circuits[id]?.ejections ?? 0 };
      if (is === "open") this.#log.warn(fields, "an instance is left alone: it fails");
      else this.#log.info(fields, is === "closed" ? "an instance is used again" : "an instance is tried again");
    }
  }
}

/** What was open when the last daemon looked is open still, for what is left of its time; what had been open is remembered. */
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
      if (circuit === undefined) continue;
      const { state, ejections, probe_at_ms: probeAt, closed_at_ms: closedAt } = circuit;
      if (state !== "closed")
        board.restoreCircuit(instance, { state: "open", ejections, ms: Math.max(0, probeAt - now) });
      else if (ejections > 0) board.restoreCircuit(instance, { state, ejections, ms: Math.max(0, now - closedAt) });
    }
  }
}
