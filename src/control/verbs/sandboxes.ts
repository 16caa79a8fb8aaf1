import { newId } from "../../domain/id.ts";
import type { CustomRoute } from "../../domain/route/route.ts";
import { type Instance, isManaged, isSandboxId, parseInstanceUrl, type Sandbox } from "../../domain/sandbox.ts";
import { type Labels, NO_LABELS, parseLabels } from "../../domain/labels.ts";
import { checkCors } from "../../domain/settings/applications/cors.ts";
import { NO_SETTINGS, type Settings, type SettingTexts, textsOf, withTexts } from "../../domain/settings/settings.ts";
import { checkSettings } from "../check-settings.ts";
import { checkTarget, type TargetPolicy } from "../../domain/target-policy.ts";
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
  /** `language=python,tier=gpu`; absent = none. */
  readonly labels?: string;
  /** As people write them; see `SETTINGS`. */
  readonly settings?: SettingTexts;
}

/** What changes of a sandbox; what is absent stays. */
export interface SandboxUpdate {
  readonly runtime?: string;
  /** null = LOAD_BALANCER_STRATEGY. */
  readonly strategy?: string | null;
  /** All of them, in place of those it had; "" = none. */
  readonly labels?: string;
  /** These alone change; null goes back to the gateway's configuration. */
  readonly settings?: SettingTexts;
}

/** What a verb did to a sandbox. */
export interface SandboxWritten {
  readonly sandbox: Sandbox;
  readonly revision: number;
}

/** What went with a sandbox. */
export interface SandboxRemoved extends SandboxWritten {
  readonly routes: readonly CustomRoute[];
}

export class SandboxVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "sandboxes">;
  readonly #catalogue: () => Promise<Catalogue>;
  readonly #targets: TargetPolicy;
  readonly #programs: Readonly<Record<string, string>>;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "sandboxes">;
    catalogue: () => Promise<Catalogue>;
    /** Where instances may be. */
    targets: TargetPolicy;
    /** What health checks may run, by name: whoever writes the configuration decides it, never who manages sandboxes. */
    programs: Readonly<Record<string, string>>;
  }) {
    this.#control = options.control;
    this.#store = options.store;
    this.#catalogue = options.catalogue;
    this.#targets = options.targets;
    this.#programs = options.programs;
  }

  /** @throws GatewayError ROUTE_001 */
  find(_actor: Actor, id: string): Promise<Sandbox> {
    return knownSandbox(this.#store.sandboxes, id);
  }

  /** Ordered by id. */
  list(_actor: Actor): Promise<Sandbox[]> {
    return this.#store.sandboxes.list();
  }

  /** @throws GatewayError ROUTE_004 when there is a sandbox of that id, VAL_011 for an address that is not allowed. */
  async create(actor: Actor, sandbox: NewSandbox): Promise<SandboxWritten> {
    const { id, runtime, driver, strategy, urls } = sandbox;
    const { drivers } = await this.#catalogue();
    check(
      isSandboxId(id),
      `sandbox id ${quoted(id)}: expected 1 to 63 of A-Z a-z 0-9 . _ -, starting with a letter or digit`,
    );
    check(Object.hasOwn(drivers, driver), `driver ${quoted(driver)}: expected ${Object.keys(drivers).join(", ")}`);
    await this.#checkNames(runtime, strategy);
    const labels = labelsFrom(sandbox.labels ?? "");
    const settings = withTexts(NO_SETTINGS, sandbox.settings ?? {});
    await checkSettings(sandbox.settings);
    this.#checkProgram(settings);
    checkCors(settings);
    const managed = drivers[driver]?.managed === true;
    checkPorts(driver, managed, settings);
    check(!managed || urls.length === 0, `driver ${driver} starts its instances itself and takes no URL`);
    if (!managed && urls.length === 0) {
      throw new GatewayError("VAL_010", {
        details: `driver ${driver} needs at least one URL`,
        remediation: "Add --url http://host:port, or --driver wasm for an embedded sandbox",
      });
    }
    const addresses = urls.map(parseInstanceUrl);
    check(new Set(addresses).size === addresses.length, "the same URL is given twice");
    for (const address of addresses) checkTarget(address, this.#targets, "administrator");
    return await this.#control.write(actor, async (step) => {
      if ((await step.sandboxes.find(id)) !== undefined)
        throw new GatewayError("ROUTE_004", { details: `sandbox ${id}` });
      await step.sandboxes.create({ id, runtime, driver, strategy, labels, settings, createdAt: step.now });
      if (managed) await createInstance(step, id, ownAddress);
      for (const address of addresses) await createInstance(step, id, () => address);
      const written = await announceSandbox(step, id);
      const instances = written.sandbox.instances.map((instance) => instance.url);
      step.record("sandbox.add", id, { runtime, driver, strategy, labels, settings: textsOf(settings), instances });
      return written;
    });
  }

  /** Changes what `update` names. @throws GatewayError ROUTE_001, VAL_010 */
  async update(actor: Actor, id: string, update: SandboxUpdate): Promise<SandboxWritten> {
    await checkSettings(update.settings);
    return await this.#control.write(actor, async (step) => {
      const before = await knownSandbox(step.sandboxes, id);
      const { runtime = before.runtime, strategy = before.strategy } = update;
      await this.#checkNames(runtime, strategy);
      const labels = update.labels === undefined ? before.labels : labelsFrom(update.labels);
      const settings = withTexts(before.settings, update.settings ?? {});
      if (update.settings !== undefined) this.#checkProgram(settings);
      checkCors(settings);
      checkPorts(before.driver, before.instances.some(isManaged), settings);
      await step.sandboxes.update({ id, runtime, strategy, labels, settings });
      const written = await announceSandbox(step, id);
      step.record("sandbox.update", id, { runtime, strategy, labels, settings: textsOf(settings) });
      return written;
    });
  }

  /** Its routes go with it: none may lead to the next one of that name. Returns what was removed. @throws GatewayError ROUTE_001 */
  remove(actor: Actor, id: string): Promise<SandboxRemoved> {
    return this.#control.write(actor, async (step) => {
      const sandbox = await knownSandbox(step.sandboxes, id);
      const routes = await step.routes.listOf(id);
      for (const route of routes) await step.announce({ kind: "route.removed", routeId: route.id });
      await step.sandboxes.remove(id);
      const revision = await step.announce({ kind: "sandbox.removed", sandboxId: id });
      const instances = sandbox.instances.map((instance) => instance.id);
      step.record("sandbox.remove", id, { instances, routes: routes.map((route) => route.id) });
      return { sandbox, routes, revision };
    });
  }

  #checkProgram({ healthCheck, healthProgram }: Settings): void {
    const known = Object.keys(this.#programs).join(", ") || "none";
    if (healthProgram === undefined) {
      check(healthCheck !== "exec", `--health-check exec needs --health-program; HEALTH_PROGRAMS has ${known}`);
    } else {
      const isKnown = Object.hasOwn(this.#programs, healthProgram);
      check(isKnown, `--health-program ${quoted(healthProgram)}: HEALTH_PROGRAMS has ${known}`);
    }
  }

  async #checkNames(runtime: string, strategy: string | null): Promise<void> {
    const { runtimes, strategies } = await this.#catalogue();
    check(runtimes.includes(runtime), `runtime ${quoted(runtime)}: expected ${runtimes.join(", ")}`);
    check(
      strategy === null || strategies.includes(strategy),
      `strategy ${quoted(strategy)}: expected ${strategies.join(", ")}`,
    );
  }
}

/** @throws GatewayError VAL_010 where instances have no address of their own, and so no ports. */
function checkPorts(driver: string, managed: boolean, { ports }: Settings): void {
  check(!managed || ports === undefined, `--ports: instances of driver ${driver} have no ports`);
}

function labelsFrom(text: string): Labels {
  return text.trim() === "" ? NO_LABELS : parseLabels(text);
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
  return step.sandboxes.createInstance({ id, sandboxId, url: address(id), weight: 1 });
}

/** Where the daemon will have an instance of its own listen. */
function ownAddress(instanceId: string): string {
  return `unix:${instanceId}.sock`;
}
