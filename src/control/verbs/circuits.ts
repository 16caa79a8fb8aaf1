import { CLOSED, observedCircuits, type ObservedCircuit } from "../../domain/instance/circuit.ts";
import type { Instance } from "../../domain/sandbox.ts";
import type { StateStore } from "../../store/store.ts";
import type { Actor, Control } from "../control.ts";
import { type InstanceWritten, knownInstance } from "./instances.ts";
import { announceSandbox } from "./sandboxes.ts";
import { observedByDaemon, recordFrom, type RunningDaemon } from "./status.ts";

/** An instance and its circuit as the running daemon sees it; undefined when none runs, or it tells what nobody understands. */
export interface InstanceCircuit {
  readonly instance: Instance;
  readonly circuit: ObservedCircuit | undefined;
}

export class CircuitVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "sandboxes" | "observed">;
  readonly #daemon: () => RunningDaemon | undefined;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "sandboxes" | "observed">;
    daemon: () => RunningDaemon | undefined;
  }) {
    this.#control = options.control;
    this.#store = options.store;
    this.#daemon = options.daemon;
  }

  /** Of all instances, by sandbox. */
  async list(_actor: Actor): Promise<InstanceCircuit[]> {
    const circuitOf = await this.#observed();
    const sandboxes = await this.#store.sandboxes.list();
    return sandboxes.flatMap(({ instances }) =>
      instances.map((instance) => ({ instance, circuit: circuitOf(instance.id) })),
    );
  }

  /** @throws GatewayError ROUTE_006 */
  async find(_actor: Actor, id: string): Promise<InstanceCircuit> {
    const instance = await knownInstance(this.#store.sandboxes, id);
    return { instance, circuit: (await this.#observed())(id) };
  }

  /** Opens it by hand: the instance gets nothing new until it is closed by hand, over restarts too. @throws GatewayError ROUTE_006 */
  open(actor: Actor, id: string): Promise<InstanceWritten> {
    return this.#control.write(actor, async (step) => {
      const instance = { ...(await knownInstance(step.sandboxes, id)), tripped: true };
      await step.sandboxes.updateInstance(instance);
      const { revision } = await announceSandbox(step, instance.sandboxId);
      step.record("circuit.open", id, { sandbox: instance.sandboxId });
      return { instance, revision };
    });
  }

  /** Closes it, however it was opened. `forget`: also how often it has been open. @throws GatewayError ROUTE_006 */
  close(actor: Actor, id: string, { forget }: { forget: boolean }): Promise<InstanceWritten> {
    return this.#control.write(actor, async (step) => {
      const before = await knownInstance(step.sandboxes, id);
      const { sandboxId } = before;
      const instance = { ...before, tripped: false };
      if (before.tripped) {
        await step.sandboxes.updateInstance(instance);
        await announceSandbox(step, sandboxId);
      }
      const revision = await step.announce({ kind: "circuit.closed", sandboxId, instanceId: id, forget });
      step.record(forget ? "circuit.reset" : "circuit.close", id, { sandbox: sandboxId });
      return { instance, revision };
    });
  }

  async #observed(): Promise<(instanceId: string) => ObservedCircuit | undefined> {
    if (this.#daemon() === undefined) return () => undefined;
    const written = recordFrom((await observedByDaemon(this.#store, "daemon"))["circuits"]);
    const circuits = observedCircuits(written);
    return (instanceId) => (Object.hasOwn(written, instanceId) ? circuits.get(instanceId) : CLOSED);
  }
}
