import { METHODS } from "node:http";
import { GatewayError } from "../../errors.ts";
import type { Settings } from "../settings/settings.ts";
import { nearest } from "../value/nearest.ts";
import { shown } from "../value/value.ts";

/** A way to a sandbox that an administrator has made, beside `/s/{id}/` and the sandbox's own host. */
export interface CustomRoute {
  /** `rte_…` */
  readonly id: string;
  /** The host it is for, in lower case, without a port; null = any. */
  readonly host: string | null;
  /** It takes this path and all below it: `/`, or segments without a slash at the end, as `/shop/api`. */
  readonly path: string;
  /** Upper case, sorted; null = all. */
  readonly methods: readonly string[] | null;
  /** The sandbox sees what is behind the path only. */
  readonly stripPrefix: boolean;
  readonly sandboxId: string;
  /** What its calls have otherwise than the sandbox's. */
  readonly settings: Settings;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** What can be announced of routes: one whole, for a route is never changed, or that one is gone. */
export type RouteChange =
  | { readonly kind: "route.put"; readonly route: CustomRoute }
  | { readonly kind: "route.removed"; readonly routeId: string };

/** The first segments of the gateway's own paths, which no route can have. */
export const OWN_SEGMENTS: readonly string[] = ["api", "health", "s"];

const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const MOST_SEGMENTS = 32;
// RFC 3986 section 3.3 without "%" and ";": each path has one spelling, and no server reads more into it.
const SEGMENT = /^[A-Za-z0-9._~!$&'()+,=:@-]{1,255}$/;

/** A host as routes name it. @throws GatewayError VAL_010 */
export function parseRouteHost(text: string): string {
  const host = text.trim().toLowerCase().replace(/\.$/, "");
  if (HOST.test(host)) return host;
  const why = host.includes("*")
    ? "there are no patterns; name one host"
    : "expected a host name as app.example, without scheme, port or path";
  throw wrong(`host ${shown(text)}: ${why}`);
}

/** A path as routes name it. @throws GatewayError VAL_010 when it has another spelling, or is one of the gateway's own. */
export function parseRoutePath(text: string): string {
  const path = text.trim().replace(/(?<=[^/])\/$/, "");
  if (!path.startsWith("/")) throw wrong(`path ${shown(text)}: must begin with a slash`);
  if (path === "/") return path;
  const segments = path.slice(1).split("/");
  if (segments.includes("*")) throw wrong(`path ${shown(text)}: takes all below it already; write it without the *`);
  if (segments.length > MOST_SEGMENTS) throw wrong(`path ${shown(text)}: more than ${MOST_SEGMENTS} segments`);
  for (const segment of segments) {
    if (segment === "." || segment === ".." || !SEGMENT.test(segment)) {
      throw wrong(
        `path ${shown(text)}: segments have 1 to 255 of A-Z a-z 0-9 . _ ~ ! $ & ' ( ) + , = : @ - and are no dots`,
      );
    }
  }
  const [first = ""] = segments;
  if (OWN_SEGMENTS.includes(first)) throw wrong(`path ${shown(text)}: /${first} is the gateway's own`);
  return path;
}

/** Methods separated by commas; `all` or nothing = null. @throws GatewayError VAL_010 */
export function parseMethods(text: string): readonly string[] | null {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  const methods = words.map((word) => word.toUpperCase());
  if (methods.length === 0 || (methods.length === 1 && methods[0] === "ALL")) return null;
  for (const method of methods) if (!ROUTABLE.includes(method)) throw noMethod(method);
  return [...new Set(methods)].toSorted();
}

/** Two of the same host and path that would both take a call: the method of such a call, `all` when it is any. */
export function sharedMethod(one: CustomRoute["methods"], other: CustomRoute["methods"]): string | undefined {
  if (one === null || other === null) return one === other ? "all" : undefined;
  return one.find((method) => other.includes(method));
}

/** Host and path as people write them: `app.example/shop`. */
export function routeName({ host, path }: Pick<CustomRoute, "host" | "path">): string {
  return `${host ?? ""}${path}`;
}

/** What node:http can read and the gateway passes on. */
const ROUTABLE = METHODS.filter((method) => method !== "CONNECT" && method !== "TRACE");

function noMethod(method: string): GatewayError {
  const meant = nearest(method, ROUTABLE);
  return wrong(`method ${shown(method)}: ${meant === undefined ? "no such method" : `did you mean ${meant}?`}`);
}

function wrong(details: string): GatewayError {
  return new GatewayError("VAL_010", { details });
}
