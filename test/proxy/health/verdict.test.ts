import { expect, test } from "vitest";
import { INSTANCE_STATES } from "../../../src/domain/instance/state.ts";
import { type Experience, stateAfter } from "../../../src/proxy/health/verdict.ts";

test.each(INSTANCE_STATES)("an instance that was %s is up as soon as it answers", (state) => {
  expect(stateAfter(state, "answered")).toBe("up");
});

test.each(["unknown", "up", "down"] as const)("one that was %s is down when it cannot be reached", (state) => {
  expect(stateAfter(state, "unreachable")).toBe("down");
});

test("one that its driver is starting need not be reachable yet", () => {
  expect(stateAfter("starting", "unreachable")).toBe("starting");
});

test.each<Experience>(["broken", "invalid", "silent", "busy"])(
  "a call that ends %s says nothing of the next",
  (experience) => {
    expect(INSTANCE_STATES.map((state) => stateAfter(state, experience))).toEqual(INSTANCE_STATES);
  },
);
