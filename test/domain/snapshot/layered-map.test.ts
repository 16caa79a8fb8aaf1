import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LayeredMap } from "../../../src/domain/snapshot/layered-map.ts";

interface Value {
  readonly n: number;
}

type Step =
  | { readonly kind: "with"; readonly key: string; readonly n: number }
  | { readonly kind: "without"; readonly key: string }
  /** Enough to make the layers merge now and then. */
  | { readonly kind: "many"; readonly from: number; readonly count: number };

const key = fc.oneof(fc.nat(20).map(String), fc.constantFrom("", "__proto__", "constructor", "ü"));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("with" as const), key, n: fc.nat() }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("without" as const), key }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("many" as const),
      from: fc.nat(900),
      count: fc.integer({ min: 1, max: 700 }),
    }),
  },
);

function applied(map: LayeredMap<Value>, model: Map<string, Value>, one: Step): LayeredMap<Value> {
  switch (one.kind) {
    case "with":
      model.set(one.key, { n: one.n });
      return map.with(one.key, { n: one.n });
    case "without":
      model.delete(one.key);
      return map.without(one.key);
    case "many": {
      let result = map;
      for (let n = one.from; n < one.from + one.count; n++) {
        model.set(String(n), { n });
        result = result.with(String(n), { n });
      }
      return result;
    }
  }
}

function expectSame(map: LayeredMap<Value>, model: ReadonlyMap<string, Value>): void {
  expect(map.size).toBe(model.size);
  expect(new Map(map.entries())).toEqual(model);
  expect([...map.entries()]).toHaveLength(model.size);
  expect([...map.values()].map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(
    [...model.values()].map(({ n }) => n).toSorted((a, b) => a - b),
  );
  for (const [name, value] of model) expect(map.get(name)).toEqual(value);
}

describe("a layered map", () => {
  test("is like a plain Map after any changes, and every earlier version stays as it was", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.nat())), fc.array(step, { maxLength: 12 }), (start, steps) => {
        const entries = start.map(([name, n]) => [name, { n }] as const);
        const model = new Map<string, Value>(entries);
        let map = LayeredMap.from<Value>(entries);
        const versions = [{ map, model: new Map(model) }];
        for (const one of steps) {
          map = applied(map, model, one);
          versions.push({ map, model: new Map(model) });
        }
        for (const version of versions) expectSame(version.map, version.model);
        for (const absent of ["absent", "toString", "-1"]) expect(map.get(absent)).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  test("keeps a removed key removed across the merge of its layers", () => {
    let map = LayeredMap.from<Value>([["gone", { n: 1 }]]).without("gone");
    for (let n = 0; n < 2500; n++) {
      map = map.with(`k${n}`, { n });
      expect(map.get("gone")).toBeUndefined();
    }
    expect(map.size).toBe(2500);
    expect(map.with("gone", { n: 2 }).get("gone")).toEqual({ n: 2 });
  });

  test("is the same object when nothing is removed", () => {
    const map = LayeredMap.from<Value>([["a", { n: 1 }]]);
    expect(map.without("b")).toBe(map);
  });

  test("takes a change to 100,000 entries without copying them each time", () => {
    let map = LayeredMap.from<Value>(Array.from({ length: 100_000 }, (_, n) => [`k${n}`, { n }] as const));
    const startedAt = performance.now();
    for (let n = 0; n < 2000; n++) map = map.with(`k${n}`, { n: -n });
    // Copying everything for each would take 10 s.
    expect(performance.now() - startedAt).toBeLessThan(2500);
    expect(map.size).toBe(100_000);
    expect(map.get("k1999")).toEqual({ n: -1999 });
  });
});
