import { isSandboxId } from "../../domain/sandbox.ts";
import { GatewayError } from "../../errors.ts";
import type { Head } from "../request/head.ts";

export const HEALTH_PAGES = ["/health", "/health/auth", "/health/proxy", "/health/sandboxes"] as const;
export type HealthPage = (typeof HEALTH_PAGES)[number];

export type Route =
  | { readonly kind: "execute" }
  | { readonly kind: "sandboxes" }
  /** `path`: the part of the target that is the sandbox's own, query included. */
  | { readonly kind: "proxy"; readonly sandboxId: string; readonly path: string }
  | { readonly kind: "none" };

const EXECUTE: Route = { kind: "execute" };
const SANDBOXES: Route = { kind: "sandboxes" };
const NONE: Route = { kind: "none" };

/** Dot segments, plain or percent-encoded: two parties could disagree which sandbox such a path is about. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * The health page a request is for, if any: these are answered before anybody is authenticated.
 * @throws GatewayError ROUTE_003 for a method other than GET and HEAD.
 */
export function healthPage(method: string, head: Head): HealthPage | undefined {
  if (head.sandboxId !== undefined || !head.target.startsWith("/health")) return undefined;
  const path = withoutQuery(head.target);
  const page = HEALTH_PAGES.find((known) => known === path);
  if (page !== undefined) allowOnly(method, ["GET", "HEAD"]);
  return page;
}

/**
 * Where a request goes, by exact bytes: nothing is decoded or normalised, so what is authorised is what is sent.
 * @throws GatewayError VAL_001 for a path that could mean another sandbox, ROUTE_001 for an impossible sandbox id,
 *   ROUTE_003 for a method that a page does not have.
 */
export function route(method: string, head: Head): Route {
  const { target, sandboxId } = head;
  if (sandboxId !== undefined) return toSandbox(sandboxId, target);
  if (target.startsWith("/s/")) return byPath(target);
  switch (withoutQuery(target)) {
    case "/api/v1/sandbox/execute":
      allowOnly(method, ["POST"]);
      return EXECUTE;
    case "/api/v1/sandboxes":
      allowOnly(method, ["GET", "HEAD"]);
      return SANDBOXES;
    default:
      return NONE;
  }
}

function byPath(target: string): Route {
  const path = withoutQuery(target);
  if (DOT_SEGMENT.test(path)) throw new GatewayError("VAL_001", { details: "dot segment in the path" });
  const slash = path.indexOf("/", 3);
  const id = slash < 0 ? path.slice(3) : path.slice(3, slash);
  const rest = target.slice(3 + id.length);
  return toSandbox(id, rest.startsWith("/") ? rest : `/${rest}`);
}

function toSandbox(sandboxId: string, path: string): Route {
  if (!isSandboxId(sandboxId)) throw new GatewayError("ROUTE_001");
  return { kind: "proxy", sandboxId, path };
}

function allowOnly(method: string, methods: readonly string[]): void {
  if (!methods.includes(method)) throw new GatewayError("ROUTE_003", { headers: { allow: methods.join(", ") } });
}

function withoutQuery(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}
