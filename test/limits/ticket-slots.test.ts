import * as fc from "fast-check";
import { expect, test } from "vitest";
import { TICKET_SLOTS, TicketSlots } from "../../src/limits/ticket-slots.ts";

const shared = (bytes: number) => new SharedArrayBuffer(bytes);

function slots() {
  return new TicketSlots({
    next: new Int32Array(shared(64)),
    values: new BigInt64Array(shared(TICKET_SLOTS * 8)),
    ends: new BigInt64Array(shared(TICKET_SLOTS * 8)),
  });
}

test("a ticket is used once, whatever is put and used before and after it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ value: fc.bigInt({ min: 1n, max: 9n }), use: fc.nat(20) }), { maxLength: 30 }),
      (steps) => {
        const table = slots();
        const out: { slot: number; value: bigint; used: boolean }[] = [];
        for (const { value, use } of steps) {
          out.push({ slot: table.put(value, 100, 0) as number, value, used: false });
          const one = out[use];
          if (one === undefined) continue;
          expect(table.use(one.slot, one.value + 10n)).toBe(false);
          expect(table.use(one.slot, one.value)).toBe(!one.used);
          one.used = true;
        }
      },
    ),
  );
});

test("no more are out than there is room for, and room comes by use and by time", () => {
  const table = slots();
  const first = table.put(7n, 100, 0) as number;
  for (let more = 1; more < TICKET_SLOTS; more++) expect(table.put(1n, 100, 0)).toBeDefined();
  expect(table.put(1n, 100, 99)).toBeUndefined();
  expect(table.put(2n, 200, 100)).toBeDefined();
  expect(table.use(first, 0n)).toBe(false);
});
