import { isHostLabel, isSandboxId } from "../../domain/sandbox.ts";
import { GatewayError } from "../../errors.ts";
import type { Head } from "../request/head.ts";
import { hostLabel, type HostSuffix } from "./host.ts";

export const HEALTH_PAGES = ["/health", "/health/auth", "/health/proxy", "/health/sandboxes"] as const;
export type HealthPage = (typeof HEALTH_PAGES)[number];

/** A request for a sandbox. */
export interface ProxyRoute {
  readonly kind: "proxy";
  readonly sandboxId: string;
  /** The part of the target that is the sandbox's own, query included. */
  readonly path: string;
  /** The part before it: where the client sees the sandbox. Empty when the host or a field names the sandbox. */
  readonly mount: string;
}

export type Route =
  | { readonly kind: "execute" }
  | { readonly kind: "sandboxes" }
  | ProxyRoute
  | { readonly kind: "none" };

const EXECUTE: Route = { kind: "execute" };
const SANDBOXES: Route = { kind: "sandboxes" };
const NONE: Route = { kind: "none" };

/** Dot segments, plain or percent-encoded: two parties could disagree which sandbox such a path is about. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * The health page a request is for, if any: these are answered before anybody is authenticated. On a sandbox's own host there
 * are none.
 * @throws GatewayError ROUTE_003 for a method other than GET and HEAD, ROUTE_008 when a field names a sandbox.
 */
export function healthPage(method: string, head: Head, suffix: HostSuffix): HealthPage | undefined {
  const { target, sandboxId } = head;
  if (!target.startsWith("/health") || hostLabel(head.host, suffix) !== undefined) return undefined;
  const path = withoutQuery(target);
  const page = HEALTH_PAGES.find((known) => known === path);
  if (page === undefined) return undefined;
  if (sandboxId !== undefined) throw twoDestinations(page);
  allowOnly(method, ["GET", "HEAD"]);
  return page;
}

/**
 * Where a request goes, by exact bytes: nothing is decoded or normalised, so what is authorised is what is sent. Where path
 * or host and field both say it they must agree. All that is asked of a sandbox's own host is the sandbox's.
 * @throws GatewayError VAL_001 for a path that could mean another sandbox, ROUTE_001 for an impossible sandbox id,
 *   ROUTE_003 for a method that a page does not have, ROUTE_008 when path or host and X-Sandbox-Id name two destinations.
 */
export function route(method: string, { target, sandboxId, host }: Head, suffix: HostSuffix): Route {
  const label = hostLabel(host, suffix);
  if (label !== undefined) {
    if (sandboxId !== undefined && sandboxId !== label) throw twoDestinations(`the host ${label}${suffix}`);
    if (!isHostLabel(label)) throw new GatewayError("ROUTE_001");
    return toSandbox(label, target, "");
  }
  if (target.startsWith("/s/")) {
    const found = byPath(target);
    if (sandboxId !== undefined && sandboxId !== found.sandboxId) throw twoDestinations(found.mount);
    return found;
  }
  const path = withoutQuery(target);
  const page = pageOf(path);
  if (sandboxId !== undefined) {
    if (page !== NONE) throw twoDestinations(path);
    return toSandbox(sandboxId, target, "");
  }
  if (page === EXECUTE) allowOnly(method, ["POST"]);
  if (page === SANDBOXES) allowOnly(method, ["GET", "HEAD"]);
  return page;
}

function pageOf(path: string): Route {
  switch (path) {
    case "/api/v1/sandbox/execute":
      return EXECUTE;
    case "/api/v1/sandboxes":
      return SANDBOXES;
    default:
      return NONE;
  }
}

function byPath(target: string): ProxyRoute {
  const path = withoutQuery(target);
  if (DOT_SEGMENT.test(path)) throw new GatewayError("VAL_001", { details: "dot segment in the path" });
  const slash = path.indexOf("/", 3);
  const mount = slash < 0 ? path : path.slice(0, slash);
  const rest = target.slice(mount.length);
  return toSandbox(mount.slice(3), rest.startsWith("/") ? rest : `/${rest}`, mount);
}

function toSandbox(sandboxId: string, path: string, mount: string): ProxyRoute {
  if (!isSandboxId(sandboxId)) throw new GatewayError("ROUTE_001");
  return { kind: "proxy", sandboxId, path, mount };
}

function twoDestinations(path: string): GatewayError {
  return new GatewayError("ROUTE_008", { details: `X-Sandbox-Id beside ${path}` });
}

function allowOnly(method: string, methods: readonly string[]): void {
  if (!methods.includes(method)) throw new GatewayError("ROUTE_003", { headers: { allow: methods.join(", ") } });
}

function withoutQuery(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}
