import { expect, test } from "vitest";
import { Standing } from "../../../../src/proxy/health/loop/standing.ts";

const LIMITS = { rise: 2, fall: 3 };

/** The states after each of these checks: `+` went well, `-` failed. */
function statesAfter(checks: string): string[] {
  const standing = new Standing();
  return checks.split("").map((check) => {
    standing.take(check === "+" ? null : "ECONNREFUSED", LIMITS);
    return standing.state;
  });
}

test("the first check decides at once, either way", () => {
  expect(statesAfter("+")).toEqual(["well"]);
  expect(statesAfter("-")).toEqual(["down"]);
});

test("then it takes three that fail in a row, and two that go well", () => {
  expect(statesAfter("+---+-++")).toEqual(["well", "well", "well", "down", "down", "down", "down", "well"]);
});

test("what comes between begins the count anew", () => {
  expect(statesAfter("+--+--+--").at(-1)).toBe("well");
  expect(statesAfter("-+-+-+").at(-1)).toBe("down");
});

test("a change is told once, and one that fails is troubled before it is down", () => {
  const standing = new Standing();
  const told = ["+", "-", "-", "-", "-"].map((check) => standing.take(check === "+" ? null : "status 500", LIMITS));
  expect(told).toEqual([true, false, false, true, false]);
  expect([standing.problem, standing.isTroubled]).toEqual(["status 500", true]);
  standing.take(null, LIMITS);
  expect([standing.state, standing.problem, standing.isTroubled]).toEqual(["down", null, true]);
  standing.take(null, LIMITS);
  expect([standing.state, standing.isTroubled]).toEqual(["well", false]);
});
