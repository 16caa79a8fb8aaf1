import { expect, test } from "vitest";
import type { Instance } from "../../../../src/domain/sandbox.ts";
import { ConsistentHash } from "../../../../src/proxy/balance/strategies/consistent-hash.ts";
import { hashKey } from "../../../../src/proxy/balance/strategies/hash-key.ts";
import { IpHash } from "../../../../src/proxy/balance/strategies/ip-hash.ts";
import { LeastRequests } from "../../../../src/proxy/balance/strategies/least-requests.ts";
import { PeakEwma } from "../../../../src/proxy/balance/strategies/peak-ewma.ts";
import { PowerOfTwo } from "../../../../src/proxy/balance/strategies/power-of-two.ts";
import { Random } from "../../../../src/proxy/balance/strategies/random.ts";
import { RoundRobin } from "../../../../src/proxy/balance/strategies/round-robin.ts";
import { Weighted } from "../../../../src/proxy/balance/strategies/weighted.ts";
import type { Strategy } from "../../../../src/proxy/balance/strategy.ts";
import { boardOf, sandboxOf, seeded, sharesOf, situationOf } from "../../../support/balancing.ts";

const PICKS = 10_000;

function picksOf(strategy: Strategy, weights: readonly number[]): Instance[] {
  const sandbox = sandboxOf(weights);
  return Array.from({ length: PICKS }, (_, caller) => strategy.pick(sandbox.instances, situationOf(sandbox, caller)));
}

/** How far the shares are from what they should be, at most. */
function deviation(strategy: Strategy, weights: readonly number[], expected: readonly number[] = weights): number {
  const all = expected.reduce((sum, share) => sum + share, 0);
  const shares = sharesOf(picksOf(strategy, weights), weights.length);
  return Math.max(...shares.map((share, number) => Math.abs(share - (expected[number] as number) / all)));
}

test("ten thousand picks are as the weights say, within 2 %", () => {
  const deviations = [
    deviation(new Weighted(), [5, 1, 1]),
    deviation(new Weighted(), [1, 2, 3, 4, 0]),
    deviation(new Weighted(), [0, 0], [1, 1]),
    deviation(new RoundRobin(), [1, 1, 1]),
    deviation(new Random({ random: seeded(1) }), [1, 1, 1, 1, 1]),
    deviation(new PowerOfTwo({ random: seeded(2) }), [1, 1, 1, 1, 1]),
    deviation(new LeastRequests({ random: seeded(3) }), [1, 1, 1]),
    deviation(new IpHash(), [1, 1, 1, 1, 1]),
  ];
  expect(Math.max(...deviations)).toBeLessThan(0.02);
});

test("weights are spread evenly: the heavy one never has all its turns in a row", () => {
  const sandbox = sandboxOf([5, 1, 1]);
  const strategy = new Weighted();
  const round = Array.from({ length: 7 }, () => strategy.pick(sandbox.instances).number);
  expect(round).toEqual([0, 0, 1, 0, 2, 0, 0]); // nginx's own example
});

test("the fewest requests in flight are counted beside the weight", () => {
  const sandbox = sandboxOf([1, 4, 0]);
  const strategy = new LeastRequests({ random: seeded(4) });
  expect(strategy.pick(sandbox.instances, situationOf(sandbox, 1, boardOf([1, 5, 0]))).number).toBe(1);
  expect(strategy.pick(sandbox.instances, situationOf(sandbox, 1, boardOf([1, 9, 0]))).number).toBe(0);
});

test("of two the less busy one is taken: one that hangs gets next to nothing", () => {
  const sandbox = sandboxOf([1, 1, 1]);
  for (const strategy of [new PowerOfTwo({ random: seeded(5) }), new PeakEwma({ random: seeded(5), now: () => 0 })]) {
    const picks = Array.from({ length: 1_000 }, () =>
      strategy.pick(sandbox.instances, situationOf(sandbox, 1, boardOf([50, 0, 0]))),
    );
    expect(picks.filter(({ number }) => number === 0)).toEqual([]);
  }
});

test("a slow answer counts at once, and is forgotten little by little", () => {
  let now = 0;
  const sandbox = sandboxOf([1, 1]);
  const [slow, fast] = sandbox.instances as [Instance, Instance];
  const strategy = new PeakEwma({ random: seeded(6), now: () => now });
  const picks = (): number => strategy.pick(sandbox.instances, situationOf(sandbox, 1)).number;
  strategy.observe(fast, 20);
  strategy.observe(slow, 10);
  strategy.observe(slow, 500);
  expect(picks()).toBe(1);
  for (now = 1_000; now < 120_000; now += 1_000) strategy.observe(slow, 10);
  expect(picks()).toBe(0);
});

test("an instance that comes or goes moves no more keys than are its own", () => {
  const strategy = new ConsistentHash({ key: hashKey("user") });
  const sandbox = sandboxOf(Array.from({ length: 10 }, () => 1));
  const rest = sandbox.instances.slice(0, 9);
  let moved = 0;
  let needlessly = 0;
  for (let caller = 0; caller < PICKS; caller++) {
    const before = strategy.pick(sandbox.instances, situationOf(sandbox, caller));
    const after = strategy.pick(rest, situationOf(sandbox, caller));
    if (before !== after) moved += 1;
    if (before !== after && before.number !== 9) needlessly += 1;
  }
  expect(needlessly).toBe(0);
  expect(moved / PICKS).toBeLessThan(1 / 10 + 0.05);
});

test("a key leaves an instance that is much busier than the others, and comes back", () => {
  const strategy = new ConsistentHash({ key: hashKey("user") });
  const sandbox = sandboxOf([1, 1, 1]);
  const home = strategy.pick(sandbox.instances, situationOf(sandbox, 7));
  const loads = [0, 0, 0];
  loads[home.number] = 10;
  expect(strategy.pick(sandbox.instances, situationOf(sandbox, 7, boardOf(loads)))).not.toBe(home);
  expect(strategy.pick(sandbox.instances, situationOf(sandbox, 7, boardOf([10, 10, 10])))).toBe(home);
});

test("a key is taken from the caller, the address, a field or a cookie; without it from the address", () => {
  const request = {
    principal: undefined,
    address: "10.0.0.1",
    field: (name: string) => ({ "x-user": "ada", cookie: "a=1; b = two ;b=3" })[name],
  };
  const keys = ["user", "ip", "header:X-User", "header:x-none", "cookie:b", "cookie:c"].map((text) =>
    hashKey(text)(request),
  );
  expect(keys).toEqual(["10.0.0.1", "10.0.0.1", "ada", "10.0.0.1", "two", "10.0.0.1"]);
});
