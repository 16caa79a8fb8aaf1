import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Refusals } from "../../src/audit/refusals.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { SOMEBODY } from "../support/principal.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const principal = (tokenId: string): Principal => ({ ...SOMEBODY, subject: `subject of ${tokenId}`, tokenId });

const from = (address: string, tokenId?: string) => ({
  address,
  principal: tokenId === undefined ? undefined : principal(tokenId),
});

function start() {
  const records: Record<string, unknown>[] = [];
  let now = 0;
  const refusals = new Refusals({
    submit: (record) => void records.push(JSON.parse(record) as Record<string, unknown>),
    now: () => (now += 1),
  });
  return { records, refusals };
}

describe("refusals that are summed", () => {
  test("become one record a second for each code, address and token, with count, first and last time", () => {
    const { records, refusals } = start();
    for (const facts of [from("::1", "a"), from("::1", "b"), from("::2", "a"), from("::1", "a")]) {
      expect(refusals.add("RATE_001", facts, false)).toBe(true);
    }
    refusals.add("AUTH_006", from("::1"), false);
    expect(records).toEqual([]);
    vi.advanceTimersByTime(1_000);
    const refused = { kind: "refused", decision: "deny" };
    const who = { role: "executor" };
    expect(records).toEqual([
      {
        ...refused,
        ...who,
        rule: "RATE_001",
        address: "::1",
        subject: "subject of a",
        token_id: "a",
        count: 2,
        first_ms: 1,
        at_ms: 4,
      },
      {
        ...refused,
        ...who,
        rule: "RATE_001",
        address: "::1",
        subject: "subject of b",
        token_id: "b",
        count: 1,
        first_ms: 2,
        at_ms: 2,
      },
      {
        ...refused,
        ...who,
        rule: "RATE_001",
        address: "::2",
        subject: "subject of a",
        token_id: "a",
        count: 1,
        first_ms: 3,
        at_ms: 3,
      },
      { ...refused, rule: "AUTH_006", address: "::1", count: 1, first_ms: 5, at_ms: 5 },
    ]);
  });

  test("leave no timer behind once they are recorded", () => {
    const { records, refusals } = start();
    refusals.add("RATE_001", from("::1"), false);
    refusals.flush();
    expect(records).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
    refusals.add("RATE_001", from("::1"), false);
    vi.advanceTimersByTime(3_000);
    expect(records).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("of more addresses than can be told apart are summed by code, and none is forgotten", () => {
    const { records, refusals } = start();
    for (let address = 0; address < 5_000; address++) {
      refusals.add(address % 2 === 0 ? "RATE_001" : "AUTH_006", from(`10.0.0.${address}`), false);
    }
    refusals.flush();
    expect(records).toHaveLength(102);
    const others = records.filter((record) => !("address" in record));
    expect(others.map(({ rule, count }) => [rule, count])).toEqual([
      ["RATE_001", 2_450],
      ["AUTH_006", 2_450],
    ]);
  });
});

describe("of refusals of which a few are recorded by themselves", () => {
  test("the first three of an address in a second are not summed, the others are", () => {
    const { records, refusals } = start();
    const add = () => refusals.add("AUTH_002", from("::1"), true);
    expect([add(), add(), add(), add(), add()]).toEqual([false, false, false, true, true]);
    vi.advanceTimersByTime(1_000);
    expect(records).toMatchObject([{ rule: "AUTH_002", address: "::1", count: 2 }]);
    expect(add()).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(records).toHaveLength(1);
  });

  test("no more than thirty in a second are by themselves, from however many addresses", () => {
    const { records, refusals } = start();
    const summed = Array.from({ length: 1_000 }, (_, n) => refusals.add("AUTH_001", from(`10.0.0.${n}`), true));
    expect(summed.filter((one) => !one)).toHaveLength(30);
    refusals.flush();
    expect(records.reduce((sum, { count }) => sum + Number(count), 0)).toBe(970);
  });
});
