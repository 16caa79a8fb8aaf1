import { describe, expect, test } from "vitest";
import { createSharedMemory } from "../../../src/daemon/shared-memory/layout.ts";
import type { Instance, Sandbox } from "../../../src/domain/sandbox.ts";
import type { Settings } from "../../../src/domain/settings/settings.ts";
import { Balancer } from "../../../src/proxy/balance/balancer.ts";
import { RoundRobin } from "../../../src/proxy/balance/strategies/round-robin.ts";
import { REFUSED, SharedBoard } from "../../../src/proxy/health/board.ts";
import { monotonicTicks } from "../../../src/proxy/health/circuits.ts";
import { stateWord } from "../../../src/proxy/health/state-word.ts";
import { requestOf, sandboxOf, seeded, sharesOf } from "../../support/balancing.ts";
import { CIRCUITS } from "../../support/circuits.ts";
import { HEALTH } from "../../support/health.ts";

function start({ slowStartMs = 0 } = {}) {
  const memory = createSharedMemory(1);
  for (const instance of sandboxOf(Array.from({ length: 10 }, () => 1)).instances) {
    memory.instances.state[instance.number] = stateWord(instance, "unknown");
  }
  const board = new SharedBoard({ words: memory.instances, thread: 0, circuits: CIRCUITS });
  const balancer = new Balancer({
    board,
    byName: { "round-robin": new RoundRobin() },
    initial: "round-robin",
    slowStartMs,
    health: HEALTH,
    random: seeded(1),
  });
  const fail = (sandbox: Sandbox, instance: Instance, times: number): void => {
    for (let time = 0; time < times; time++) {
      const claim = board.claim(instance, 0);
      board.report(sandbox, instance, claim, "unreachable");
      board.release(instance, claim);
    }
  };
  const choose = (sandbox: Sandbox, tried: readonly Instance[] = []): number | undefined =>
    balancer.choose(sandbox, requestOf(1), tried)?.number;
  const many = (sandbox: Sandbox, count = 12): Set<number | undefined> =>
    new Set(Array.from({ length: count }, () => choose(sandbox)));
  return { memory, board, balancer, fail, choose, many };
}

describe("an instance gets nothing new", () => {
  test("while it is drained, or its circuit was opened by hand", () => {
    const { many } = start();
    const sandbox = sandboxOf([1, 1, 1]);
    const [one, two, three] = sandbox.instances as [Instance, Instance, Instance];
    expect(many({ ...sandbox, instances: [{ ...one, draining: true }, { ...two, tripped: true }, three] })).toEqual(
      new Set([2]),
    );
    expect(many({ ...sandbox, instances: [{ ...one, draining: true }] })).toEqual(new Set([undefined]));
  });

  test("while its circuit is open", () => {
    const { many, fail } = start();
    const sandbox = sandboxOf([1, 1, 1]);
    fail(sandbox, sandbox.instances[1] as Instance, 5);
    expect(many(sandbox)).toEqual(new Set([0, 2]));
  });

  test("from a call that has tried it", () => {
    const { choose } = start();
    const sandbox = sandboxOf([1, 1]);
    expect(choose(sandbox, [sandbox.instances[0] as Instance])).toBe(1);
    expect(choose(sandbox, sandbox.instances)).toBeUndefined();
  });

  test("beyond its hard limit, and none at all when all are there", () => {
    const { balancer, choose } = start();
    const sandbox = sandboxOf([1, 1], { settings: { hardLimit: 2 } });
    const [one, two] = sandbox.instances as [Instance, Instance];
    for (const instance of [one, one, two]) expect(balancer.claim(sandbox, instance)).toBe(0);
    expect([choose(sandbox), choose(sandbox)]).toEqual([1, 1]);
    expect(balancer.claim(sandbox, one)).toBe(REFUSED);
    expect(balancer.claim(sandbox, two)).toBe(0);
    expect(choose(sandbox)).toBeUndefined();
    expect(balancer.refusal(sandbox)).toMatchObject({ code: "PROXY_010", retryAfter: 1 });
  });

  test("beyond its soft limit, as long as another has less", () => {
    const { balancer, many } = start();
    const sandbox = sandboxOf([1, 1], { settings: { softLimit: 1 } });
    balancer.claim(sandbox, sandbox.instances[0] as Instance);
    expect(many(sandbox)).toEqual(new Set([1]));
    balancer.claim(sandbox, sandbox.instances[1] as Instance);
    expect(many(sandbox)).toEqual(new Set([0, 1]));
  });
});

test.each([
  [1, 0],
  [2, 1],
  [3, 1],
  [4, 2],
  [5, 2],
])("of %d failing instances %d are left alone, never more than half", (count, open) => {
  const { many, fail } = start();
  const sandbox = sandboxOf(Array.from({ length: count }, () => 1));
  for (const instance of sandbox.instances) fail(sandbox, instance, 20);
  expect(many(sandbox).size).toBe(count - open);
});

const checked = (count: number, more: Settings = {}): Sandbox =>
  sandboxOf(
    Array.from({ length: count }, () => 1),
    { settings: { healthCheck: "http", ...more } },
  );
const down = (board: SharedBoard, { instances }: Sandbox, ...numbers: number[]): void => {
  for (const instance of instances) board.setHealth(instance, numbers.includes(instance.number) ? "down" : "well");
};

describe("where instances are checked", () => {
  test("one that is down gets nothing new, until it is well again", () => {
    const { board, many } = start();
    const sandbox = checked(3);
    down(board, sandbox, 1);
    expect(many(sandbox)).toEqual(new Set([0, 2]));
    down(board, sandbox);
    expect(many(sandbox)).toEqual(new Set([0, 1, 2]));
  });

  test("traffic that comes through does not make one well that is down", () => {
    const { board, many } = start();
    const sandbox = checked(3);
    const [first] = sandbox.instances as [Instance];
    down(board, sandbox, 0);
    board.report(sandbox, first, board.claim(first, 0), "answered");
    expect(many(sandbox)).toEqual(new Set([1, 2]));
    expect(board.state(first)).toBe("down");
  });

  test.each([
    [2, [0], [1]],
    [3, [0], [1, 2]],
    [3, [0, 1], [0, 1, 2]],
    [4, [0, 1], [2, 3]],
    [4, [0, 1, 2], [0, 1, 2, 3]],
  ])("of %d instances with %j down, %j are used: all of them when fewer than half are well", (count, ill, used) => {
    const { board, many } = start();
    const sandbox = checked(count);
    down(board, sandbox, ...ill);
    expect(many(sandbox)).toEqual(new Set(used));
  });

  test("the part that has to be well is the sandbox's to set, and 0 heeds the checks to the last", () => {
    const { board, many } = start();
    const strict = checked(4, { panicThreshold: 0 });
    down(board, strict, 0, 1, 2);
    expect(many(strict)).toEqual(new Set([3]));
    expect(many(checked(4, { panicThreshold: 25 }))).toEqual(new Set([3]));
    expect(many(checked(4, { panicThreshold: 26 }))).toEqual(new Set([0, 1, 2, 3]));
  });

  test("nothing is tried when all are down, and the refusal says so at once", () => {
    const { balancer, board, many } = start();
    const sandbox = checked(2);
    down(board, sandbox, 0, 1);
    expect(many(sandbox)).toEqual(new Set([undefined]));
    expect(balancer.refusal(sandbox)).toMatchObject({ code: "PROXY_012", retryAfter: 2, executed: "no" });
  });

  test("all are tried when all are down and it fails open", () => {
    const { balancer, board, many } = start();
    const sandbox = checked(2, { failOpen: true });
    down(board, sandbox, 0, 1);
    expect(many(sandbox)).toEqual(new Set([0, 1]));
    expect(balancer.refusal(sandbox)).toMatchObject({ code: "PROXY_001" });
  });

  test("those that are drained do not count, neither among the well ones nor among all", () => {
    const { board, many } = start();
    const sandbox = checked(4);
    down(board, sandbox, 0);
    const [one, two, three, four] = sandbox.instances as [Instance, Instance, Instance, Instance];
    const drained = { ...sandbox, instances: [one, two, { ...three, draining: true }, { ...four, tripped: true }] };
    expect(many(drained)).toEqual(new Set([1]));
    expect(many({ ...drained, instances: [one, { ...two, draining: true }] })).toEqual(new Set([undefined]));
  });

  test("an open circuit counts as not well, and stays shut in panic too", () => {
    const { board, fail, many } = start();
    const sandbox = checked(4);
    fail(sandbox, sandbox.instances[3] as Instance, 5);
    down(board, sandbox, 0, 1);
    expect(many(sandbox)).toEqual(new Set([0, 1, 2]));
  });

  test("circuits leave half in use, those counted that are down", () => {
    const { board, fail, many } = start();
    const sandbox = checked(4);
    down(board, sandbox, 0, 1);
    for (const instance of sandbox.instances.slice(2)) fail(sandbox, instance, 20);
    expect(many(sandbox)).toEqual(new Set([2, 3]));
  });

  test("what was said of an instance does not matter once nobody checks it", () => {
    const { board, many } = start();
    const sandbox = checked(3);
    down(board, sandbox, 1);
    expect(many({ ...sandbox, settings: { healthCheck: "off" } })).toEqual(new Set([0, 1, 2]));
  });

  test("one that is well again comes to its full share in the time of slow start", () => {
    const { memory, board, balancer } = start({ slowStartMs: 10_000 });
    const sandbox = checked(2);
    for (const place of [0, 1]) {
      Atomics.store(memory.instances.circuits.closedAt, place, ticks(60_000));
      Atomics.store(memory.instances.health.since, place, ticks(60_000));
    }
    const share = (): number => {
      const picks = Array.from({ length: 2_000 }, () => balancer.choose(sandbox, requestOf(1), []));
      return picks.filter((instance) => instance?.number === 0).length / picks.length;
    };
    down(board, sandbox);
    expect(share()).toBeCloseTo(0.5, 1);
    down(board, sandbox, 0);
    expect(share()).toBe(0);
    down(board, sandbox);
    expect(share()).toBeCloseTo(0.1 / 1.1, 1);
  });

  test("the open circuit of one that is well again is tried at once", () => {
    const { board, fail, many } = start();
    const sandbox = checked(4);
    down(board, sandbox);
    fail(sandbox, sandbox.instances[0] as Instance, 5);
    down(board, sandbox, 0);
    expect(many(sandbox)).toEqual(new Set([1, 2, 3]));
    down(board, sandbox);
    expect(many(sandbox)).toEqual(new Set([0, 1, 2, 3]));
  });
});

/** The time `ms` ago, as circuits count it. */
function ticks(ms: number): number {
  return (monotonicTicks() - ms / 10) | 0;
}

test("an instance that is new comes to its full share in the time of slow start", () => {
  const { memory, balancer } = start({ slowStartMs: 10_000 });
  const sandbox = sandboxOf([1, 1]);
  const shareOf = (ageMs: number): number => {
    Atomics.store(memory.instances.circuits.closedAt, 0, ticks(ageMs));
    Atomics.store(memory.instances.circuits.closedAt, 1, ticks(60_000));
    const picks = Array.from({ length: 2_000 }, () => balancer.choose(sandbox, requestOf(1), []));
    return picks.filter((instance) => instance?.number === 0).length / picks.length;
  };
  // A tenth and a half of what the other gets.
  expect(shareOf(0)).toBeCloseTo(0.1 / 1.1, 1);
  expect(shareOf(5_000)).toBeCloseTo(0.5 / 1.5, 1);
  expect(shareOf(10_000)).toBeCloseTo(0.5, 1);
});

test("what slow start holds back, the strategy gives to the others as it would without that instance", () => {
  const { memory, balancer } = start({ slowStartMs: 10_000 });
  const sandbox = sandboxOf([4, 3, 1]);
  for (const [place, ageMs] of [0, 60_000, 60_000].entries()) {
    Atomics.store(memory.instances.circuits.closedAt, place, ticks(ageMs));
  }
  const picks = Array.from({ length: 10_000 }, () => balancer.choose(sandbox, requestOf(1), []) as Instance);
  const [held = 1, heavy = 0, light = 1] = sharesOf(picks, 3);
  expect(held).toBeLessThan(0.1);
  expect(Math.abs(heavy / light - 3)).toBeLessThan(0.1);
});

test("why nothing can be chosen is said", () => {
  const { balancer } = start();
  expect(balancer.refusal(sandboxOf([]))).toMatchObject({ code: "PROXY_001", details: "The sandbox has no instance" });
  const drained = sandboxOf([1]);
  const [only] = drained.instances as [Instance];
  const error = balancer.refusal({ ...drained, instances: [{ ...only, draining: true }] });
  expect(error).toMatchObject({ code: "PROXY_001", retryAfter: 1, details: expect.stringContaining("drained") });
  expect(error.remediation).toContain("resume");
});
