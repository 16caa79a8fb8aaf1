import { type Labels, parseLabels } from "../../domain/labels.ts";
import type { CustomRoute } from "../../domain/route/route.ts";
import { isHostLabel, isSandboxId } from "../../domain/sandbox.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { Standing } from "../../auth/standing.ts";
import type { RouteTable } from "../../domain/snapshot/route-table.ts";
import { portFrom } from "../../domain/value/ports.ts";
import { GatewayError } from "../../errors.ts";
import type { Head } from "../request/head.ts";
import { asked, customRoute, EVERY_ROUTE, refuseOtherMethods, seenBy } from "./custom/match.ts";
import { hostLabel, type HostSuffix } from "./host.ts";

export const HEALTH_PAGES = ["/health", "/health/auth", "/health/proxy", "/health/sandboxes"] as const;
export type HealthPage = (typeof HEALTH_PAGES)[number];

/** The public keys (RFC 8414 and OpenID Connect Discovery have them there by custom, RFC 8615 the prefix). */
export const JWKS_PAGE = "/.well-known/jwks.json";
export type OpenPage = HealthPage | typeof JWKS_PAGE;
export const SESSION_PAGE = "/api/v1/session";
const OPEN_PAGES: readonly OpenPage[] = [...HEALTH_PAGES, JWKS_PAGE];

/** A request for a sandbox. */
export interface ProxyRoute {
  readonly kind: "proxy";
  readonly sandboxId: string;
  /** The part of the target that is the sandbox's own, query included. */
  readonly path: string;
  /** The part before it: where the client sees the sandbox. Empty when the host or a field names the sandbox. */
  readonly mount: string;
  /** The port it is for; null = the instance's own. Whether the sandbox has it is not known yet. */
  readonly port: number | null;
  /** The custom route that leads there; null when path, host or a field name the sandbox. */
  readonly route: CustomRoute | null;
}

/** A request for whichever sandbox has these labels. */
export interface SelectRoute {
  readonly kind: "select";
  /** At least one. */
  readonly labels: Labels;
  /** The whole target. */
  readonly path: string;
  /** As in a ProxyRoute. */
  readonly port: number | null;
}

export type Route =
  | { readonly kind: "execute" }
  | { readonly kind: "sandboxes" }
  | { readonly kind: "tickets" }
  | { readonly kind: "session" }
  | ProxyRoute
  | SelectRoute
  | { readonly kind: "none" };

const EXECUTE: Route = { kind: "execute" };
const SANDBOXES: Route = { kind: "sandboxes" };
const TICKETS: Route = { kind: "tickets" };
const SESSION: Route = { kind: "session" };
const NONE: Route = { kind: "none" };

const PORT_FIRST = /^\d{1,5}-/;

/** Dot segments, plain or percent-encoded: two parties could disagree which sandbox such a path is about. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * The page a request is for that is open to everybody, if any: these are answered before anybody is authenticated. On a sandbox's own host there
 * are none, nor on a host that routes have given away whole.
 * @throws GatewayError ROUTE_003 for a method other than GET and HEAD, ROUTE_008 when a field names a sandbox.
 */
export function openPage(method: string, head: Head, suffix: HostSuffix, routes: RouteTable): OpenPage | undefined {
  const { target } = head;
  if (!target.startsWith("/health") && !target.startsWith("/.well-known/")) return undefined;
  if (hostLabel(head.host, suffix) !== undefined) return undefined;
  const path = withoutQuery(target);
  const page = OPEN_PAGES.find((known) => known === path);
  if (page === undefined) return undefined;
  if (!routes.isEmpty && customRoute(routes, asked(method, head, path), EVERY_ROUTE) !== null) return undefined;
  refuseFields(head, path);
  allowOnly(method, ["GET", "HEAD"]);
  return page;
}

/** Whether a request is to open a session: then who calls is what it shows on purpose, and no session that it has. */
export function opensSession(method: string, head: Head, suffix: HostSuffix, routes: RouteTable): boolean {
  if (method !== "POST" || head.cookie === undefined || head.target !== SESSION_PAGE) return false;
  if (hostLabel(head.host, suffix) !== undefined) return false;
  return routes.isEmpty || customRoute(routes, asked(method, head, SESSION_PAGE), EVERY_ROUTE) === null;
}

/**
 * Where a request goes, by exact bytes: nothing is decoded or normalised, so what is authorised is what is sent. Where path
 * or host and fields say it too they must agree. All that is asked of a sandbox's own host is the sandbox's.
 * `routes`: the custom ones, of which `principal` sees those to its own sandboxes; null: nobody yet, all are seen.
 * @throws GatewayError VAL_001 for a path that could mean another sandbox, ROUTE_001 for an impossible sandbox id,
 *   ROUTE_003 for a method that a page does not have, ROUTE_008 when path or host and a field name two destinations,
 *   ROUTE_009 for an impossible port, VAL_010 for a selector that is none.
 */
export function route(
  method: string,
  head: Head,
  suffix: HostSuffix,
  snapshot: Pick<Snapshot, "routes" | "sandboxes">,
  standing: Standing | null,
): Route {
  const { routes } = snapshot;
  const { target, sandboxId, sandboxPort, sandboxSelector } = head;
  const label = hostLabel(head.host, suffix);
  if (label !== undefined) return agreed(byHost(label, target), head, `the host ${label}${suffix}`);
  if (!routes.isEmpty) {
    const custom = customRoute(
      routes,
      asked(method, head, withoutQuery(target)),
      standing === null ? EVERY_ROUTE : seenBy(standing, snapshot),
    );
    if (custom !== null) return agreed(byRoute(custom, target), head, `the route of ${withoutQuery(target)}`);
  }
  if (target.startsWith("/s/")) {
    const found = byPath(target);
    return agreed(found, head, found.mount);
  }
  const path = withoutQuery(target);
  const page = pageOf(path);
  if (page !== NONE) refuseFields(head, path);
  if (sandboxId !== undefined) {
    if (sandboxSelector !== undefined) throw twoDestinations("X-Sandbox-Selector beside X-Sandbox-Id");
    return toSandbox(sandboxId, sandboxPort, target, "");
  }
  if (sandboxSelector !== undefined) {
    return { kind: "select", labels: parseLabels(sandboxSelector), path: target, port: portIn(sandboxPort) };
  }
  if (page === EXECUTE) allowOnly(method, ["POST"]);
  if (page === SANDBOXES) allowOnly(method, ["GET", "HEAD"]);
  if (page === TICKETS) allowOnly(method, ["POST"]);
  if (page === SESSION) allowOnly(method, ["GET", "HEAD", "POST", "DELETE"]);
  if (page === NONE && !routes.isEmpty)
    refuseOtherMethods(routes, asked(method, head, path), standing === null ? EVERY_ROUTE : seenBy(standing, snapshot));
  if (sandboxPort !== undefined) throw twoDestinations("X-Sandbox-Port without a sandbox");
  return page;
}

function pageOf(path: string): Route {
  switch (path) {
    case "/api/v1/sandbox/execute":
      return EXECUTE;
    case "/api/v1/sandboxes":
      return SANDBOXES;
    case "/api/v1/tickets":
      return TICKETS;
    case SESSION_PAGE:
      return SESSION;
    default:
      return NONE;
  }
}

/** `box`, or `8080-box`: no id that may be a host begins with a number and a hyphen. */
function byHost(label: string, target: string): ProxyRoute {
  const hyphen = PORT_FIRST.test(label) ? label.indexOf("-") : -1;
  const id = hyphen < 0 ? label : label.slice(hyphen + 1);
  if (!isHostLabel(id)) throw new GatewayError("ROUTE_001");
  return toSandbox(id, hyphen < 0 ? undefined : label.slice(0, hyphen), target, "");
}

/** `/s/box/…`, or `/s/box:8080/…`: no id has a colon in it. */
function byPath(target: string): ProxyRoute {
  const path = withoutQuery(target);
  refuseDotSegments(path);
  const slash = path.indexOf("/", 3);
  const mount = slash < 0 ? path : path.slice(0, slash);
  const rest = target.slice(mount.length);
  const colon = mount.indexOf(":");
  const id = mount.slice(3, colon < 0 ? undefined : colon);
  const port = colon < 0 ? undefined : mount.slice(colon + 1);
  return toSandbox(id, port, rest.startsWith("/") ? rest : `/${rest}`, mount);
}

/** The whole of a host is an origin of its own, all else a mount. */
function byRoute(custom: CustomRoute, target: string): ProxyRoute {
  const { sandboxId, path: prefix, stripPrefix } = custom;
  const found = { kind: "proxy", sandboxId, port: null, route: custom } as const;
  if (prefix === "/") return { ...found, path: target, mount: "" };
  refuseDotSegments(withoutQuery(target));
  const rest = stripPrefix ? target.slice(prefix.length) : target;
  return { ...found, path: rest.startsWith("/") ? rest : `/${rest}`, mount: prefix };
}

/** @throws GatewayError VAL_001 */
function refuseDotSegments(path: string): void {
  if (DOT_SEGMENT.test(path)) throw new GatewayError("VAL_001", { details: "dot segment in the path" });
}

function toSandbox(sandboxId: string, portText: string | undefined, path: string, mount: string): ProxyRoute {
  if (!isSandboxId(sandboxId)) throw new GatewayError("ROUTE_001");
  return { kind: "proxy", sandboxId, path, mount, port: portIn(portText), route: null };
}

function portIn(text: string | undefined): number | null {
  const port = text === undefined ? null : portFrom(text);
  if (port === undefined) throw new GatewayError("ROUTE_009");
  return port;
}

/**
 * The route that path or host name, if the fields name no other. A port in a field alone is another: it would not be in the
 * prefix of paths and cookies, nor in the origin.
 */
function agreed(found: ProxyRoute, { sandboxId, sandboxPort, sandboxSelector }: Head, named: string): ProxyRoute {
  if (sandboxId !== undefined && sandboxId !== found.sandboxId) throw twoDestinations(`X-Sandbox-Id beside ${named}`);
  if (sandboxPort !== undefined && sandboxPort !== String(found.port)) {
    throw twoDestinations(`X-Sandbox-Port beside ${named}`);
  }
  if (sandboxSelector !== undefined) throw twoDestinations(`X-Sandbox-Selector beside ${named}`);
  return found;
}

/** A page of the gateway's own is in no sandbox. */
function refuseFields({ sandboxId, sandboxPort, sandboxSelector }: Head, path: string): void {
  if (sandboxId !== undefined) throw twoDestinations(`X-Sandbox-Id beside ${path}`);
  if (sandboxPort !== undefined) throw twoDestinations(`X-Sandbox-Port beside ${path}`);
  if (sandboxSelector !== undefined) throw twoDestinations(`X-Sandbox-Selector beside ${path}`);
}

function twoDestinations(details: string): GatewayError {
  return new GatewayError("ROUTE_008", { details });
}

function allowOnly(method: string, methods: readonly string[]): void {
  if (!methods.includes(method)) throw new GatewayError("ROUTE_003", { headers: { allow: methods.join(", ") } });
}

function withoutQuery(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}
