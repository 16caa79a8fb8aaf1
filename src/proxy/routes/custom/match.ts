import { maySee } from "../../../domain/principal.ts";
import { type CustomRoute, OWN_SEGMENTS } from "../../../domain/route/route.ts";
import type { RouteTable, Seen } from "../../../domain/snapshot/route-table.ts";
import type { Snapshot } from "../../../domain/snapshot/snapshot.ts";
import type { Standing } from "../../../auth/standing.ts";
import { GatewayError } from "../../../errors.ts";
import type { Head } from "../../request/head.ts";
import { bareHost } from "../host.ts";
import { readings } from "./readings.ts";

/** A call as the routes are asked about it. */
export interface Asked {
  readonly method: string;
  readonly host: string;
  /** Without the query. */
  readonly path: string;
  /** A field says which sandbox: then routes of no host have no say. */
  readonly named: boolean;
}

export function asked(method: string, { host, sandboxId, sandboxSelector }: Head, path: string): Asked {
  const named = sandboxId !== undefined || sandboxSelector !== undefined;
  return { method, host: bareHost(host), path, named };
}

/** The routes that there are for a caller: it notices nothing of those to sandboxes that are not its own. */
export function seenBy({ principal, rights }: Standing, { sandboxes }: Pick<Snapshot, "sandboxes">): Seen {
  return ({ sandboxId }) => {
    if (!maySee(principal, sandboxId)) return false;
    if (rights.seesAll) return true;
    const sandbox = sandboxes.get(sandboxId);
    return sandbox !== undefined && rights.sees(sandbox);
  };
}

/** The routes that there are. */
export const EVERY_ROUTE: Seen = () => true;

/**
 * The custom route that a call takes; null when there is none for it. Routes of its host go before the gateway's own pages,
 * those before routes of no host; then the longest path, then the method.
 * @throws GatewayError VAL_001 when others could read the path as one that goes elsewhere.
 */
export function customRoute(table: RouteTable, call: Asked, seen: Seen): CustomRoute | null {
  const found = decided(table, call, seen);
  if (found === "own") return null;
  for (const path of readings(call.path)) {
    if (decided(table, { ...call, path }, seen) !== found) {
      throw new GatewayError("VAL_001", {
        details: "a path with two readings: encoded, doubled or dotted in its route",
      });
    }
  }
  return found;
}

/**
 * @throws GatewayError ROUTE_003 when there are routes for the path, but none for the method. Nothing else is there for it.
 */
export function refuseOtherMethods(table: RouteTable, { host, path, named }: Asked, seen: Seen): void {
  const others = named || isOwn(path) ? null : table.methodsAt(null, path, seen);
  const methods = table.methodsAt(host, path, seen) ?? others;
  if (methods !== null) throw new GatewayError("ROUTE_003", { headers: { allow: allowed(methods).join(", ") } });
}

function decided(table: RouteTable, { method, host, path, named }: Asked, seen: Seen): CustomRoute | null | "own" {
  const ofHost = host === "" ? null : table.match(host, path, method, seen);
  if (ofHost !== null) return ofHost;
  if (isOwn(path)) return "own";
  return named ? null : table.match(null, path, method, seen);
}

function isOwn(path: string): boolean {
  const slash = path.indexOf("/", 1);
  return OWN_SEGMENTS.includes(path.slice(1, slash < 0 ? undefined : slash));
}

function allowed(methods: readonly string[]): readonly string[] {
  return methods.includes("GET") && !methods.includes("HEAD") ? [...methods, "HEAD"] : methods;
}
