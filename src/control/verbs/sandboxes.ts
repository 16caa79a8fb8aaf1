import { newId } from "../../domain/id.ts";
import { type Instance, isSandboxId, parseInstanceUrl, type Sandbox } from "../../domain/sandbox.ts";
import { GatewayError } from "../../errors.ts";
import type { SandboxReads, StateStore } from "../../store/store.ts";
import { type Actor, type Control, check, quoted, type Step } from "../control.ts";

/** The plug-ins a sandbox may name. */
export interface Catalogue {
  readonly runtimes: readonly string[];
  readonly strategies: readonly string[];
  /** `managed`: the driver starts the instances itself, so none are given. */
  readonly drivers: Readonly<Record<string, { readonly managed: boolean }>>;
}

export interface NewSandbox {
  readonly id: string;
  readonly runtime: string;
  readonly driver: string;
  /** null = LOAD_BALANCER_STRATEGY. */
  readonly strategy: string | null;
  /** Instance addresses; none for a driver that starts its instances itself. */
  readonly urls: readonly string[];
}

/** What a verb did to a sandbox. */
export interface SandboxWritten {
  readonly sandbox: Sandbox;
  readonly revision: number;
}

export class SandboxVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "sandboxes">;
  readonly #catalogue: () => Promise<Catalogue>;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "sandboxes">;
    catalogue: () => Promise<Catalogue>;
  }) {
    this.#control = options.control;
    this.#store = options.store;
    this.#catalogue = options.catalogue;
  }

  /** @throws GatewayError ROUTE_001 */
  find(_actor: Actor, id: string): Promise<Sandbox> {
    return knownSandbox(this.#store.sandboxes, id);
  }

  /** Ordered by id. */
  list(_actor: Actor): Promise<Sandbox[]> {
    return this.#store.sandboxes.list();
  }

  /** @throws GatewayError ROUTE_004 when there is a sandbox of that id. */
  async create(actor: Actor, { id, runtime, driver, strategy, urls }: NewSandbox): Promise<SandboxWritten> {
    const { runtimes, drivers, strategies } = await this.#catalogue();
    check(
      isSandboxId(id),
      `sandbox id ${quoted(id)}: expected 1 to 63 of A-Z a-z 0-9 . _ -, starting with a letter or digit`,
    );
    check(runtimes.includes(runtime), `runtime ${quoted(runtime)}: expected ${runtimes.join(", ")}`);
    check(Object.hasOwn(drivers, driver), `driver ${quoted(driver)}: expected ${Object.keys(drivers).join(", ")}`);
    check(
      strategy === null || strategies.includes(strategy),
      `strategy ${quoted(strategy)}: expected ${strategies.join(", ")}`,
    );
    const managed = drivers[driver]?.managed === true;
    check(!managed || urls.length === 0, `driver ${driver} starts its instances itself and takes no URL`);
    if (!managed && urls.length === 0) {
      throw new GatewayError("VAL_010", {
        details: `driver ${driver} needs at least one URL`,
        remediation: "Add --url http://host:port, or --driver wasm for an embedded sandbox",
      });
    }
    const addresses = urls.map(parseInstanceUrl);
    check(new Set(addresses).size === addresses.length, "the same URL is given twice");
    return await this.#control.write(actor, async (step) => {
      if ((await step.sandboxes.find(id)) !== undefined)
        throw new GatewayError("ROUTE_004", { details: `sandbox ${id}` });
      await step.sandboxes.create({ id, runtime, driver, strategy, createdAt: step.now });
      if (managed) await createInstance(step, id, ownAddress);
      for (const address of addresses) await createInstance(step, id, () => address);
      const written = await announceSandbox(step, id);
      const instances = written.sandbox.instances.map((instance) => instance.url);
      step.record("sandbox.add", id, { runtime, driver, strategy, instances });
      return written;
    });
  }

  /** Returns what was removed. @throws GatewayError ROUTE_001 */
  remove(actor: Actor, id: string): Promise<SandboxWritten> {
    return this.#control.write(actor, async (step) => {
      const sandbox = await knownSandbox(step.sandboxes, id);
      await step.sandboxes.remove(id);
      const revision = await step.announce({ kind: "sandbox.removed", sandboxId: id });
      step.record("sandbox.remove", id, { instances: sandbox.instances.map((instance) => instance.id) });
      return { sandbox, revision };
    });
  }
}

/** @throws GatewayError ROUTE_001 */
export async function knownSandbox(sandboxes: SandboxReads, id: string): Promise<Sandbox> {
  const sandbox = await sandboxes.find(id);
  if (sandbox === undefined) throw new GatewayError("ROUTE_001", { details: id });
  return sandbox;
}

/** The data path gets the sandbox whole, as it stands now. */
export async function announceSandbox(step: Step, id: string): Promise<SandboxWritten> {
  const sandbox = await knownSandbox(step.sandboxes, id);
  return { sandbox, revision: await step.announce({ kind: "sandbox.put", sandbox }) };
}

export function createInstance(step: Step, sandboxId: string, address: (id: string) => string): Promise<Instance> {
  const id = newId("ins");
  return step.sandboxes.createInstance({ id, sandboxId, url: address(id) });
}

/** Where the daemon will have an instance of its own listen. */
function ownAddress(instanceId: string): string {
  return `unix:${instanceId}.sock`;
}
