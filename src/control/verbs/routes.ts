import { newId } from "../../domain/id.ts";
import {
  type CustomRoute,
  parseMethods,
  parseRouteHost,
  parseRoutePath,
  routeName,
  sharedMethod,
} from "../../domain/route/route.ts";
import { checkCors } from "../../domain/settings/applications/cors.ts";
import { checkSettings } from "../check-settings.ts";
import { NO_SETTINGS, type SettingTexts, textsOf, withRouteTexts } from "../../domain/settings/settings.ts";
import { GatewayError } from "../../errors.ts";
import type { RouteReads, StateStore } from "../../store/store.ts";
import { type Actor, type Control, check, quoted } from "../control.ts";
import { knownSandbox } from "./sandboxes.ts";

export interface NewRoute {
  readonly sandboxId: string;
  /** As people write it; null = any host. */
  readonly host: string | null;
  readonly path: string;
  /** `GET,POST`; null = all. */
  readonly methods: string | null;
  /** The sandbox sees what is behind the path only. */
  readonly stripPrefix: boolean;
  /** As people write them; those of a route's groups. */
  readonly settings?: SettingTexts;
}

/** What a verb did to a route. */
export interface RouteWritten {
  readonly route: CustomRoute;
  readonly revision: number;
}

export class RouteVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "routes" | "sandboxes">;
  readonly #gatewayDomain: string;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "routes" | "sandboxes">;
    /** Hosts under it are sandboxes' own; empty = there are none. */
    gatewayDomain: string;
  }) {
    this.#control = options.control;
    this.#store = options.store;
    this.#gatewayDomain = options.gatewayDomain.toLowerCase();
  }

  /** @throws GatewayError ROUTE_011 */
  find(_actor: Actor, id: string): Promise<CustomRoute> {
    return knownRoute(this.#store.routes, id);
  }

  /** Those of one sandbox, or all; by host and path, those of any host first. @throws GatewayError ROUTE_001 */
  async list(_actor: Actor, { sandboxId }: { sandboxId?: string | undefined } = {}): Promise<CustomRoute[]> {
    const { routes, sandboxes } = this.#store;
    if (sandboxId === undefined) return await routes.list();
    await knownSandbox(sandboxes, sandboxId);
    return await routes.listOf(sandboxId);
  }

  /** @throws GatewayError VAL_010, ROUTE_001, or ROUTE_012 when another route takes the same calls. */
  async create(actor: Actor, { sandboxId, stripPrefix, ...texts }: NewRoute): Promise<RouteWritten> {
    const host = texts.host === null ? null : parseRouteHost(texts.host);
    const path = parseRoutePath(texts.path);
    const methods = texts.methods === null ? null : parseMethods(texts.methods);
    const settings = withRouteTexts(NO_SETTINGS, texts.settings ?? {});
    await checkSettings(texts.settings);
    const suffix = `.${this.#gatewayDomain}`;
    check(
      this.#gatewayDomain === "" || host?.endsWith(suffix) !== true,
      `host ${quoted(host)}: hosts under GATEWAY_DOMAIN are the sandboxes' own`,
    );
    return await this.#control.write(actor, async (step) => {
      const sandbox = await knownSandbox(step.sandboxes, sandboxId);
      checkCors({ ...sandbox.settings, ...settings });
      for (const other of await step.routes.listAt({ host, path })) refuseTwin(other, methods);
      const id = newId("rte");
      const route = { id, host, path, methods, stripPrefix, sandboxId, settings, createdAt: step.now };
      await step.routes.create(route);
      const revision = await step.announce({ kind: "route.put", route });
      const noted = { sandbox: sandboxId, host, path, methods, strip_prefix: stripPrefix, settings: textsOf(settings) };
      step.record("route.add", id, noted);
      return { route, revision };
    });
  }

  /** Returns what was removed. @throws GatewayError ROUTE_011 */
  remove(actor: Actor, id: string): Promise<RouteWritten> {
    return this.#control.write(actor, async (step) => {
      const route = await knownRoute(step.routes, id);
      await step.routes.remove(id);
      const revision = await step.announce({ kind: "route.removed", routeId: id });
      step.record("route.remove", id, { sandbox: route.sandboxId, host: route.host, path: route.path });
      return { route, revision };
    });
  }
}

function refuseTwin(other: CustomRoute, methods: CustomRoute["methods"]): void {
  const shared = sharedMethod(other.methods, methods);
  if (shared === undefined) return;
  const calls = shared === "all" ? routeName(other) : `${shared} ${routeName(other)}`;
  throw new GatewayError("ROUTE_012", {
    details: `${calls} goes to sandbox ${other.sandboxId} by ${other.id}`,
    remediation: `Name another path, host or methods, or remove that one first: sandboxgw route remove ${other.id}`,
  });
}

/** @throws GatewayError ROUTE_011 */
async function knownRoute(routes: RouteReads, id: string): Promise<CustomRoute> {
  const route = await routes.find(id);
  if (route === undefined) throw new GatewayError("ROUTE_011", { details: id });
  return route;
}
