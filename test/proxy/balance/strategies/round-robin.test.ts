import { expect, test } from "vitest";
import type { Instance, Sandbox } from "../../../../src/domain/sandbox.ts";
import { RoundRobin } from "../../../../src/proxy/balance/strategies/round-robin.ts";
import { sandboxOf, situationOf } from "../../../support/balancing.ts";

function picks(strategy: RoundRobin, sandbox: Sandbox, count: number, candidates = sandbox.instances): number[] {
  return Array.from({ length: count }, () => strategy.pick(candidates, situationOf(sandbox, 1)).number);
}

test("each instance has its turn, in the order they were added", () => {
  expect(picks(new RoundRobin(), sandboxOf([1, 1, 1]), 7)).toEqual([0, 1, 2, 0, 1, 2, 0]);
});

test("sandboxes go their rounds apart", () => {
  const strategy = new RoundRobin();
  const [a, b] = [sandboxOf([1, 1]), sandboxOf([1, 1, 1])];
  expect([a, b, a, b, a, b].flatMap((sandbox) => picks(strategy, sandbox, 1))).toEqual([0, 0, 1, 1, 0, 2]);
});

test("the round goes on past those that may not be used now", () => {
  const strategy = new RoundRobin();
  const sandbox = sandboxOf([1, 1, 1]);
  const [first, , third] = sandbox.instances as [Instance, Instance, Instance];
  expect(picks(strategy, sandbox, 4, [first, third])).toEqual([0, 2, 0, 2]);
  expect(picks(strategy, sandbox, 2)).toEqual([0, 1]);
});
