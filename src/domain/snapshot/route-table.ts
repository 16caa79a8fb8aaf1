import type { CustomRoute } from "../route/route.ts";
import { LayeredMap } from "./layered-map.ts";

/** The routes of one path, and the branches below it by their next segment. */
interface Branch {
  readonly routes: readonly CustomRoute[];
  readonly below: LayeredMap<Branch>;
}

/** Whether a route counts. */
export type Seen = (route: CustomRoute) => boolean;

/** What becomes of the routes of one path. */
type Edit = (routes: readonly CustomRoute[]) => readonly CustomRoute[];

const NO_BRANCHES = LayeredMap.from<Branch>([]);
const BARE: Branch = { routes: [], below: NO_BRANCHES };

/**
 * Custom routes as a tree for each host, one level a path segment: a match costs one look-up a segment, however many routes
 * there are. Never edited: `with` and `without` return a new one, which shares all but the path that changed.
 */
export class RouteTable {
  /** Asked before anything else: most gateways have no routes. */
  readonly isEmpty: boolean;
  readonly #byId: LayeredMap<CustomRoute>;
  readonly #byHost: LayeredMap<Branch>;

  private constructor(byId: LayeredMap<CustomRoute>, byHost: LayeredMap<Branch>) {
    this.isEmpty = byId.size === 0;
    this.#byId = byId;
    this.#byHost = byHost;
  }

  static from(routes: readonly CustomRoute[]): RouteTable {
    const byId = LayeredMap.from(routes.map((route) => [route.id, route] as const));
    const byHost = Map.groupBy(routes, (route) => keyOf(route.host));
    return new RouteTable(byId, LayeredMap.from(Array.from(byHost, ([host, own]) => [host, grown(own)] as const)));
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): CustomRoute | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<CustomRoute> {
    return this.#byId.values();
  }

  with(route: CustomRoute): RouteTable {
    return this.without(route.id).#edited(
      route,
      (byId) => byId.with(route.id, route),
      (routes) => [...routes, route],
    );
  }

  without(id: string): RouteTable {
    const route = this.#byId.get(id);
    if (route === undefined) return this;
    return this.#edited(
      route,
      (byId) => byId.without(id),
      (routes) => routes.filter((other) => other.id !== id),
    );
  }

  /**
   * The route of a host that takes a call: of the longest path that has one for its method; null when none does. Of two with
   * the same path the one that names the method goes before the one for all; who takes GET takes HEAD too.
   * `host`: null = routes of no host. `path`: without the query.
   */
  match(host: string | null, path: string, method: string, seen: Seen): CustomRoute | null {
    let found: CustomRoute | null = null;
    for (const { routes } of this.#along(host, path)) found = chosen(routes, method, seen) ?? found;
    return found;
  }

  /** The methods of the routes of the longest path that has any; null when none has. */
  methodsAt(host: string | null, path: string, seen: Seen): readonly string[] | null {
    let found: readonly string[] | null = null;
    for (const { routes } of this.#along(host, path)) {
      const methods = routes.filter(seen).flatMap((route) => route.methods ?? []);
      if (methods.length > 0) found = methods;
    }
    return found;
  }

  /** The branches on the way down a path, the root's first. */
  *#along(host: string | null, path: string): IterableIterator<Branch> {
    let branch = this.#byHost.get(keyOf(host));
    for (let at = 1; branch !== undefined; ) {
      yield branch;
      if (branch.below === NO_BRANCHES || at > path.length) return;
      const slash = path.indexOf("/", at);
      const end = slash < 0 ? path.length : slash;
      branch = branch.below.get(path.slice(at, end));
      at = end + 1;
    }
  }

  #edited(
    { host, path }: CustomRoute,
    index: (byId: LayeredMap<CustomRoute>) => LayeredMap<CustomRoute>,
    edit: Edit,
  ): RouteTable {
    const key = keyOf(host);
    const root = edited(this.#byHost.get(key) ?? BARE, segmentsOf(path), edit);
    return new RouteTable(
      index(this.#byId),
      root === undefined ? this.#byHost.without(key) : this.#byHost.with(key, root),
    );
  }
}

/** No host is empty, so that is where the routes of no host are. */
function keyOf(host: string | null): string {
  return host ?? "";
}

function segmentsOf(path: string): readonly string[] {
  return path === "/" ? [] : path.slice(1).split("/");
}

/** A branch while it grows. */
interface Sapling {
  readonly routes: CustomRoute[];
  below: Map<string, Sapling> | null;
}

/** The root of a host's routes. */
function grown(routes: readonly CustomRoute[]): Branch {
  const root: Sapling = { routes: [], below: null };
  for (const route of routes) {
    let at = root;
    for (const segment of segmentsOf(route.path)) {
      at.below ??= new Map();
      let next = at.below.get(segment);
      if (next === undefined) at.below.set(segment, (next = { routes: [], below: null }));
      at = next;
    }
    at.routes.push(route);
  }
  return ripe(root);
}

function ripe({ routes, below }: Sapling): Branch {
  if (below === null) return { routes, below: NO_BRANCHES };
  return { routes, below: LayeredMap.from(Array.from(below, ([segment, next]) => [segment, ripe(next)] as const)) };
}

/** A branch with the routes at the end of the path edited; undefined when nothing is left of it. */
function edited(branch: Branch, [first, ...rest]: readonly string[], edit: Edit): Branch | undefined {
  if (first === undefined) return kept({ ...branch, routes: edit(branch.routes) });
  const next = edited(branch.below.get(first) ?? BARE, rest, edit);
  const below = next === undefined ? branch.below.without(first) : branch.below.with(first, next);
  return kept({ ...branch, below: below.size === 0 ? NO_BRANCHES : below });
}

function kept(branch: Branch): Branch | undefined {
  return branch.routes.length === 0 && branch.below === NO_BRANCHES ? undefined : branch;
}

function chosen(routes: readonly CustomRoute[], method: string, seen: Seen): CustomRoute | null {
  let best: CustomRoute | null = null;
  let bestRank = 0;
  for (const route of routes) {
    const rank = rankOf(route.methods, method);
    if (rank > bestRank && seen(route)) [best, bestRank] = [route, rank];
  }
  return best;
}

/** How well a route's methods fit: 0 = not at all. */
function rankOf(methods: CustomRoute["methods"], method: string): number {
  if (methods === null) return 1;
  if (methods.includes(method)) return 3;
  return method === "HEAD" && methods.includes("GET") ? 2 : 0;
}
