import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Agenda, type Due } from "../../../../src/proxy/health/loop/agenda.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

interface Item extends Due {
  readonly name: number;
}

function start() {
  const clock = new ManualClock();
  const due: number[] = [];
  const agenda = new Agenda<Item>({ clock, onDue: ({ name }) => void due.push(name) });
  return { clock, agenda, due };
}

const item = (name: number): Item => ({ name, at: 0, place: -1 });

test("there is one alarm for all, and none while there is nothing", () => {
  const { clock, agenda, due } = start();
  expect(clock.alarms).toBe(0);
  const items = [300, 100, 200].map((ms) => ({ ms, one: item(ms) }));
  for (const { ms, one } of items) agenda.add(one, ms);
  expect(clock.alarms).toBe(1);
  clock.pass(150);
  expect(due).toEqual([100]);
  for (const { one } of items) agenda.delete(one);
  expect([clock.alarms, agenda.size]).toEqual([0, 0]);
  clock.pass(1_000);
  expect(due).toEqual([100]);
});

test("everything is due once, at its time and in order, whatever is entered and taken out", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), by: fc.integer({ min: 0, max: 2_000 }) }),
    fc.record({ kind: fc.constant("delete" as const), by: fc.nat(50) }),
    fc.record({ kind: fc.constant("pass" as const), by: fc.integer({ min: 1, max: 700 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const clock = new ManualClock();
      const expected = new Map<Item, number>();
      const wrong: string[] = [];
      const agenda = new Agenda<Item>({
        clock,
        onDue(one) {
          const at = expected.get(one);
          if (at === undefined) wrong.push("nobody waited for it");
          else if (Math.abs(clock.now() - at) > 10) wrong.push(`due at ${at}, told at ${clock.now()}`);
          expected.delete(one);
        },
      });
      let names = 0;
      for (const { kind, by } of steps) {
        if (kind === "add") {
          const one = item(names++);
          expected.set(one, clock.now() + by);
          agenda.add(one, by);
        } else if (kind === "delete") {
          const one = [...expected.keys()][by];
          if (one === undefined) continue;
          expected.delete(one);
          agenda.delete(one);
        } else clock.pass(by);
        if (agenda.size !== expected.size) wrong.push(`${agenda.size} kept of ${expected.size}`);
      }
      clock.pass(5_000);
      expect(wrong).toEqual([]);
      expect(expected.size).toBe(0);
    }),
    { numRuns: 200 },
  );
});
