import * as fc from "fast-check";
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
import { boardOf, sandboxOf, seeded, sharesOf, situationOf } from "../../../support/balancing.ts";

const PICKS = 10_000;

test("weights are spread evenly: the heavy one never has all its turns in a row", () => {
  const sandbox = sandboxOf([5, 1, 1]);
  const strategy = new RoundRobin();
  const round = Array.from({ length: 7 }, () => strategy.pick(sandbox.instances, situationOf(sandbox, 1)).number);
  expect(round).toEqual([0, 0, 1, 0, 2, 0, 0]); // nginx's own example
});

test("weights go on counting among those that may be used", () => {
  const sandbox = sandboxOf([5, 2, 1]);
  const rest = sandbox.instances.slice(1);
  for (const strategy of [new RoundRobin(), new Random({ random: seeded(8) }), new IpHash()]) {
    const picks = Array.from({ length: PICKS }, (_, caller) => strategy.pick(rest, situationOf(sandbox, caller)));
    expect(Math.abs((sharesOf(picks, 3)[1] as number) - 2 / 3)).toBeLessThan(0.02);
  }
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
  for (now = 1_000; now < 120_000; now += 1_000) {
    strategy.observe(slow, 10);
    strategy.observe(fast, 20);
  }
  expect(picks()).toBe(0);
});

test.each([
  ["ip-hash", new IpHash()],
  ["consistent-hash", new ConsistentHash({ key: hashKey("user") })],
])("%s: an instance that comes, goes or changes its weight moves no more keys than are its own", (_, strategy) => {
  const numbers = (weights: readonly number[], without = -1): number[] => {
    const sandbox = sandboxOf(weights);
    const candidates = sandbox.instances.filter(({ number }) => number !== without);
    return Array.from(
      { length: PICKS },
      (__, caller) => strategy.pick(candidates, situationOf(sandbox, caller)).number,
    );
  };
  for (const [weights, added] of [
    [[1, 1, 1, 1, 1, 1, 1, 1, 1], 1],
    [[1, 2, 3, 4, 1, 2, 3, 4, 1], 2],
  ] as const) {
    const before = numbers(weights);
    const after = numbers([...weights, added]);
    const part = added / (weights.reduce<number>((sum, weight) => sum + weight, 0) + added);
    const moved = before.filter((number, key) => number !== after[key]);
    // What moves goes to the new one, and as much as its share.
    expect(before.filter((number, key) => number !== after[key] && after[key] !== 9)).toEqual([]);
    expect(moved.length / PICKS).toBeLessThan(part + 0.02);
    expect(moved.length / PICKS).toBeGreaterThan(part - 0.02);
    // Without any one of them its own keys move, and no other.
    for (const gone of [0, 4, 8]) {
      const rest = numbers(weights, gone);
      expect(before.every((number, key) => number === gone || number === rest[key])).toBe(true);
      const share = (weights[gone] as number) / weights.reduce<number>((sum, weight) => sum + weight, 0);
      expect(before.filter((number, key) => number !== rest[key]).length / PICKS).toBeLessThan(share + 0.02);
    }
  }
  const heavier = numbers([2, 1, 1]);
  expect(numbers([1, 1, 1]).every((number, key) => number === heavier[key] || heavier[key] === 0)).toBe(true);
});

test("no instance is ever busier than its share and a quarter, whatever its keys", () => {
  const keys = fc.oneof(fc.constant(7), fc.nat({ max: 3 }), fc.nat({ max: 10_000 }));
  const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 8 });
  const calls = fc.array(fc.record({ key: keys, ended: fc.nat() }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(weights, calls, (of, all) => {
      const strategy = new ConsistentHash({ key: hashKey("user") });
      const sandbox = sandboxOf(of);
      const loads = of.map(() => 0);
      const whole = of.reduce((sum, weight) => sum + weight, 0);
      for (const { key, ended } of all) {
        const { number } = strategy.pick(sandbox.instances, situationOf(sandbox, key, boardOf(loads)));
        loads[number] = (loads[number] as number) + 1;
        const load = loads.reduce((sum, each) => sum + each, 0);
        expect(loads[number]).toBeLessThanOrEqual(Math.ceil((1.25 * load * (of[number] as number)) / whole));
        const done = ended % (2 * of.length); // sometimes one of them ends
        if (done < of.length && (loads[done] as number) > 0) loads[done] = (loads[done] as number) - 1;
      }
    }),
  );
});

test("the faster ones get nearly all, and a slow one that is fast again is not forgotten", () => {
  const sandbox = sandboxOf([1, 1, 1]);
  const time = { now: 0 };
  const strategy = new PeakEwma({ random: seeded(9), now: () => time.now });
  /** Shares of ten thousand calls, one every 5 ms, each of which takes the instance's latency. */
  const sharesWith = (latencies: readonly number[]): number[] => {
    const inFlight: { instance: Instance; from: number; until: number }[] = [];
    const picks: Instance[] = [];
    for (let call = 0; call < PICKS; call++) {
      time.now += 5;
      for (const ended of inFlight.filter(({ until }) => until <= time.now)) {
        inFlight.splice(inFlight.indexOf(ended), 1);
        strategy.observe(ended.instance, ended.until - ended.from);
      }
      const loads = [0, 1, 2].map((number) => inFlight.filter(({ instance }) => instance.number === number).length);
      const instance = strategy.pick(sandbox.instances, situationOf(sandbox, call, boardOf(loads)));
      inFlight.push({ instance, from: time.now, until: time.now + (latencies[instance.number] as number) });
      picks.push(instance);
    }
    return sharesOf(picks, 3);
  };
  const [one = 0, two = 0, slow = 1] = sharesWith([10, 10, 200]);
  expect(slow).toBeLessThan(0.05);
  expect(Math.min(one, two)).toBeGreaterThan(0.4);
  sharesWith([10, 10, 10]);
  expect(Math.min(...sharesWith([10, 10, 10]))).toBeGreaterThan(0.25);
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
