import { expect, test } from "vitest";
import type { Sandbox } from "../../../src/domain/sandbox.ts";
import { RoundRobin } from "../../../src/proxy/balance/round-robin.ts";
import type { PickBoard, PickRequest } from "../../../src/proxy/balance/strategy.ts";

function sandboxOf(id: string, count: number): Sandbox {
  const instances = Array.from({ length: count }, (_, index) => ({
    id: `${id}${index}`,
    sandboxId: id,
    url: "http://127.0.0.1:9000",
    number: index,
    weight: 1,
    draining: false,
  }));
  return {
    id,
    runtime: "generic",
    driver: "static",
    strategy: null,
    labels: {},
    settings: {},
    createdAt: 0,
    instances,
  };
}

const request: PickRequest = { principal: undefined, address: "127.0.0.1", field: () => undefined };
const board: PickBoard = { state: () => "unknown", inFlight: () => 0 };

function picks(strategy: RoundRobin, sandbox: Sandbox, count: number): (string | undefined)[] {
  return Array.from({ length: count }, () => strategy.pick(sandbox, request, board, [])?.id);
}

test("each instance has its turn, in the order they were added", () => {
  expect(picks(new RoundRobin(), sandboxOf("a", 3), 7)).toEqual(["a0", "a1", "a2", "a0", "a1", "a2", "a0"]);
});

test("sandboxes go their rounds apart", () => {
  const strategy = new RoundRobin();
  const [a, b] = [sandboxOf("a", 2), sandboxOf("b", 3)];
  expect([a, b, a, b, a, b].flatMap((sandbox) => picks(strategy, sandbox, 1))).toEqual([
    "a0",
    "b0",
    "a1",
    "b1",
    "a0",
    "b2",
  ]);
});

test("a call that is tried again goes on from where the round stands, past what was tried", () => {
  const strategy = new RoundRobin();
  const sandbox = sandboxOf("a", 3);
  const [first, second, third] = sandbox.instances;
  expect(strategy.pick(sandbox, request, board, [])).toBe(first);
  expect(strategy.pick(sandbox, request, board, [first as never, second as never])).toBe(third);
  expect(strategy.pick(sandbox, request, board, [])).toBe(first);
});
