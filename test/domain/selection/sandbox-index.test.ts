import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Labels } from "../../../src/domain/labels.ts";
import { maySee, type Principal } from "../../../src/domain/principal.ts";
import type { Rights } from "../../../src/domain/role/rights.ts";
import { builtInRights } from "../../../src/domain/role/roles.ts";
import { sightOf } from "../../../src/domain/role/sight.ts";
import type { Sandbox } from "../../../src/domain/sandbox.ts";
import { SandboxIndex } from "../../../src/domain/selection/sandbox-index.ts";
import { SOME_SANDBOX } from "../../support/sandboxes.ts";
import { SOMEBODY } from "../../support/principal.ts";

const sandbox = (id: string, labels: Labels): Sandbox => ({ ...SOME_SANDBOX, id, labels });
const EXECUTOR = builtInRights("executor") as Rights;
const narrowed = (...sandboxes: string[]): Principal => ({ ...SOMEBODY, sandboxes });
const found = (index: SandboxIndex, labels: Labels, principal = SOMEBODY): string[] =>
  index
    .sample(labels, sightOf(principal, EXECUTOR, "GET"), 10_000, Math.random)
    .map(({ id }) => id)
    .toSorted();

test("finds the sandboxes that have all of the labels, as they are after each change", () => {
  const name = fc.constantFrom("a", "b");
  const labels = fc.dictionary(name, fc.constantFrom("1", "2", ""), { maxKeys: 2 });
  const id = fc.constantFrom("x-1", "x-2", "y-1", "y-2", "z");
  const change = fc.record({ id, labels: fc.option(labels) });
  const principals = [SOMEBODY, narrowed("x-*"), narrowed("z", "y-1"), narrowed("none"), narrowed("*-2", "x-*")];
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const index = new SandboxIndex([sandbox("x-1", { a: "1" }), sandbox("plain", {})]);
      const model = new Map<string, Labels>([["x-1", { a: "1" }]]);
      for (const each of changes) {
        if (each.labels === null) {
          index.apply({ kind: "sandbox.removed", sandboxId: each.id });
          model.delete(each.id);
        } else {
          index.apply({ kind: "sandbox.put", sandbox: sandbox(each.id, each.labels) });
          model.set(each.id, each.labels);
        }
        for (const principal of principals) {
          for (const asked of [{ a: "1" }, { b: "" }, { a: "1", b: "2" }] as Labels[]) {
            const expected = [...model]
              .filter(([one, has]) => maySee(principal, one) && Object.entries(asked).every(([k, v]) => has[k] === v))
              .map(([one]) => one);
            expect(found(index, asked, principal)).toEqual(expected.toSorted());
          }
        }
      }
    }),
    { numRuns: 40 },
  );
});

test("what a narrowed token sees is right again after more changes than are remembered", () => {
  const index = new SandboxIndex([sandbox("x-0", { a: "1" })]);
  const principal = narrowed("x-*");
  expect(found(index, { a: "1" }, principal)).toEqual(["x-0"]);
  const addOthers = (from: number, to: number): void => {
    for (let count = from; count < to; count++) {
      index.apply({ kind: "sandbox.put", sandbox: sandbox(`y-${count}`, { a: "1" }) });
    }
  };
  addOthers(0, 4_000);
  expect(found(index, { a: "1" }, principal)).toEqual(["x-0"]);
  addOthers(4_000, 8_200);
  expect(found(index, { a: "1" }, principal)).toEqual(["x-0"]);
  index.apply({ kind: "sandbox.removed", sandboxId: "x-0" });
  index.apply({ kind: "sandbox.put", sandbox: sandbox("x-1", { a: "1" }) });
  expect(found(index, { a: "1" }, principal)).toEqual(["x-1"]);
});

test("tokens narrowed in more ways than are kept at a time all see their own", () => {
  const index = new SandboxIndex(Array.from({ length: 1_100 }, (_, id) => sandbox(`t${id}-box`, { a: "1" })));
  for (const round of [1, 2]) {
    for (let id = 0; id < 1_100; id += round) {
      expect(found(index, { a: "1" }, narrowed(`t${id}-*`))).toEqual([`t${id}-box`]);
    }
  }
});

test("a label is no other that is written alike", () => {
  const index = new SandboxIndex([sandbox("box", { constructor: "x", a: "b" })]);
  expect(found(index, { constructor: "x" })).toEqual(["box"]);
  for (const labels of [
    { a: "" },
    { a: "B" },
    { A: "b" },
    { toString: "x" },
    { a: "b", c: "" },
  ] as unknown as Labels[]) {
    expect(found(index, labels)).toEqual([]);
  }
});
