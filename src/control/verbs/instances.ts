import { type Instance, parseInstanceUrl } from "../../domain/sandbox.ts";
import { checkTarget, type TargetPolicy } from "../../domain/target-policy.ts";
import { GatewayError } from "../../errors.ts";
import type { SandboxReads, StateStore } from "../../store/store.ts";
import { type Actor, type Control, check } from "../control.ts";
import { announceSandbox, type Catalogue, createInstance, knownSandbox } from "./sandboxes.ts";

export interface NewInstance {
  readonly sandboxId: string;
  readonly url: string;
}

/** What changes of an instance; what is absent stays. */
export interface InstanceUpdate {
  /** Its share beside the others', 0 to 1,000. */
  readonly weight?: number;
  /** Gets nothing new; what it works on is finished. */
  readonly draining?: boolean;
}

const MAX_WEIGHT = 1_000;

/** What a verb did to an instance. */
export interface InstanceWritten {
  readonly instance: Instance;
  readonly revision: number;
}

export class InstanceVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "sandboxes">;
  readonly #catalogue: () => Promise<Catalogue>;
  readonly #targets: TargetPolicy;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "sandboxes">;
    catalogue: () => Promise<Catalogue>;
    /** Where instances may be. */
    targets: TargetPolicy;
  }) {
    this.#control = options.control;
    this.#store = options.store;
    this.#catalogue = options.catalogue;
    this.#targets = options.targets;
  }

  /** @throws GatewayError ROUTE_006 */
  find(_actor: Actor, id: string): Promise<Instance> {
    return knownInstance(this.#store.sandboxes, id);
  }

  /** Those of one sandbox in the order they were added, or of all sandboxes by their ids. @throws GatewayError ROUTE_001 */
  async list(_actor: Actor, { sandboxId }: { sandboxId?: string | undefined } = {}): Promise<readonly Instance[]> {
    const { sandboxes } = this.#store;
    if (sandboxId !== undefined) return (await knownSandbox(sandboxes, sandboxId)).instances;
    return (await sandboxes.list()).flatMap((sandbox) => sandbox.instances);
  }

  /** @throws GatewayError ROUTE_001, or ROUTE_004 when the sandbox has that address already, VAL_011 when it is not allowed. */
  async create(actor: Actor, { sandboxId, url }: NewInstance): Promise<InstanceWritten> {
    const { drivers } = await this.#catalogue();
    const address = parseInstanceUrl(url);
    checkTarget(address, this.#targets, "administrator");
    return await this.#control.write(actor, async (step) => {
      const { driver, instances } = await knownSandbox(step.sandboxes, sandboxId);
      check(drivers[driver]?.managed !== true, `driver ${driver} starts its instances itself and takes no URL`);
      if (instances.some((other) => other.url === address)) {
        throw new GatewayError("ROUTE_004", { details: `instance ${address} of sandbox ${sandboxId}` });
      }
      const instance = await createInstance(step, sandboxId, () => address);
      const { revision } = await announceSandbox(step, sandboxId);
      step.record("instance.add", instance.id, { sandbox: sandboxId, url: address });
      return { instance, revision };
    });
  }

  /** Changes what `update` names. @throws GatewayError ROUTE_006, VAL_010 */
  async update(actor: Actor, id: string, { weight, draining }: InstanceUpdate): Promise<InstanceWritten> {
    check(
      weight === undefined || (Number.isInteger(weight) && weight >= 0 && weight <= MAX_WEIGHT),
      `weight ${weight}: expected a whole number from 0 to ${MAX_WEIGHT}`,
    );
    return await this.#control.write(actor, async (step) => {
      const before = await knownInstance(step.sandboxes, id);
      const instance = { ...before, weight: weight ?? before.weight, draining: draining ?? before.draining };
      await step.sandboxes.updateInstance(instance);
      const { revision } = await announceSandbox(step, instance.sandboxId);
      const changed = { weight: instance.weight, draining: instance.draining };
      step.record("instance.update", id, { sandbox: instance.sandboxId, ...changed });
      return { instance, revision };
    });
  }

  /** Returns what was removed. @throws GatewayError ROUTE_006 */
  remove(actor: Actor, id: string): Promise<InstanceWritten> {
    return this.#control.write(actor, async (step) => {
      const instance = await knownInstance(step.sandboxes, id);
      const { sandboxId, url } = instance;
      check(
        (await knownSandbox(step.sandboxes, sandboxId)).instances.length > 1,
        `${id} is the last instance of sandbox ${sandboxId}: remove the sandbox, or add another instance first`,
      );
      await step.sandboxes.removeInstance(id);
      const { revision } = await announceSandbox(step, sandboxId);
      step.record("instance.remove", id, { sandbox: sandboxId, url });
      return { instance, revision };
    });
  }
}

/** @throws GatewayError ROUTE_006 */
export async function knownInstance(sandboxes: SandboxReads, id: string): Promise<Instance> {
  const instance = await sandboxes.findInstance(id);
  if (instance === undefined) throw new GatewayError("ROUTE_006", { details: id });
  return instance;
}
