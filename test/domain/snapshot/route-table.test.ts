import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CustomRoute, sharedMethod } from "../../../src/domain/route/route.ts";
import { RouteTable } from "../../../src/domain/snapshot/route-table.ts";

const PLAIN = { stripPrefix: false, settings: {}, createdAt: 0 };
const ALL = (): boolean => true;

const segments = fc.array(fc.constantFrom("a", "b", "ab"), { maxLength: 3 });
const pathOf = (parts: readonly string[]): string => `/${parts.join("/")}`;
const routes: fc.Arbitrary<readonly CustomRoute[]> = fc
  .array(
    fc.record({
      host: fc.constantFrom(null, "one", "two"),
      path: segments.map(pathOf),
      methods: fc.constantFrom(null, ["GET"], ["HEAD"], ["GET", "POST"], ["POST"]),
      sandboxId: fc.constantFrom("x", "y"),
    }),
    { maxLength: 12 },
  )
  .map((drawn) => {
    const kept: CustomRoute[] = [];
    for (const [index, one] of drawn.entries()) {
      const isTwin = kept.some(
        ({ host, path, methods }) =>
          host === one.host && path === one.path && sharedMethod(methods, one.methods) !== undefined,
      );
      if (!isTwin) kept.push({ id: `r${index}`, ...PLAIN, ...one });
    }
    return kept;
  });

const takes = ({ methods }: CustomRoute, method: string): boolean => methods?.includes(method) === true;
const isToX = ({ sandboxId }: CustomRoute): boolean => sandboxId === "x";

/** The same answer by looking at every route. */
function scanned(all: readonly CustomRoute[], host: string | null, path: string, method: string): CustomRoute | null {
  const rank = (route: CustomRoute): number => {
    if (takes(route, method)) return 3;
    if (method === "HEAD" && takes(route, "GET")) return 2;
    return route.methods === null ? 1 : 0;
  };
  return (
    all
      .filter((route) => route.host === host && rank(route) > 0)
      .filter((route) => route.path === "/" || path === route.path || path.startsWith(`${route.path}/`))
      .toSorted((a, b) => b.path.length - a.path.length || rank(b) - rank(a))[0] ?? null
  );
}

describe("the route of a call", () => {
  test("is the one of the longest path at segment boundaries, then of its method, as a look at all of them finds it", () => {
    fc.assert(
      fc.property(
        routes,
        fc.constantFrom(null, "one", "three"),
        fc.tuple(segments, fc.constantFrom("", "/", "/a", "//a")).map(([parts, end]) => pathOf(parts) + end),
        fc.constantFrom("GET", "HEAD", "POST", "DELETE"),
        (all, host, path, method) => {
          const table = RouteTable.from(all);
          expect(table.match(host, path, method, ALL)).toBe(scanned(all, host, path, method));
          expect(table.match(host, path, method, isToX)).toBe(scanned(all.filter(isToX), host, path, method));
        },
      ),
    );
  });

  test("is the same whether the routes came at once or one by one, with others that went again", () => {
    fc.assert(
      fc.property(routes, routes, segments.map(pathOf), (all, others, path) => {
        const strangers = others.map((one) => ({ ...one, id: `other-${one.id}` }));
        const first = strangers.reduce((table, one) => table.with(one), RouteTable.from([]));
        const both = all.reduce((table, one) => table.with(one), first);
        const after = strangers.reduce((table, { id }) => table.without(id), both);
        expect([...after.values()].map(({ id }) => id).toSorted()).toEqual(all.map(({ id }) => id).toSorted());
        expect(after.isEmpty).toBe(all.length === 0);
        for (const host of [null, "one", "two"]) {
          expect(after.match(host, path, "GET", ALL)).toBe(scanned(all, host, path, "GET"));
          expect(first.match(host, path, "GET", ALL)).toBe(scanned(strangers, host, path, "GET"));
        }
      }),
    );
  });

  test("leaves no trace when it goes: nothing is left but what an empty table has", () => {
    const route: CustomRoute = { id: "r", host: null, path: "/a/b", methods: ["GET"], sandboxId: "x", ...PLAIN };
    const table = RouteTable.from([]).with(route).without("r");
    expect(table.isEmpty).toBe(true);
    expect(table.methodsAt(null, "/a/b", ALL)).toBeNull();
    expect(table.without("r")).toBe(table);
  });

  test("tells for which methods the longest path has any", () => {
    const table = RouteTable.from([
      { id: "1", host: null, path: "/a", methods: ["GET"], sandboxId: "x", ...PLAIN },
      { id: "2", host: null, path: "/a/b", methods: ["POST"], sandboxId: "x", ...PLAIN },
    ]);
    expect(table.methodsAt(null, "/a/b/c", ALL)).toEqual(["POST"]);
    expect(table.methodsAt(null, "/a/c", ALL)).toEqual(["GET"]);
    expect(table.methodsAt(null, "/c", ALL)).toBeNull();
    expect(table.methodsAt(null, "/a", () => false)).toBeNull();
  });
});

const many = (count: number): RouteTable =>
  RouteTable.from(
    Array.from({ length: count }, (_, index) => ({
      id: `r${index}`,
      host: index % 2 === 0 ? null : `h${index % 100}`,
      path: `/app-${index}/v1`,
      methods: null,
      sandboxId: "x",
      ...PLAIN,
    })),
  );

function timed(table: RouteTable): number {
  const began = performance.now();
  for (let round = 0; round < 20_000; round++) table.match(null, "/app-2/v1/x", "GET", ALL);
  return performance.now() - began;
}

test("a match among 10,000 routes costs hardly more than among ten", () => {
  const [few, lots] = [many(10), many(10_000)];
  timed(few);
  timed(lots);
  // A scan would cost a thousand times as much.
  expect(timed(lots)).toBeLessThan(20 * timed(few) + 20);
});
