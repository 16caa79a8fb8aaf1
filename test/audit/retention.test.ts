import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { AuditChain } from "../../src/audit/chain.ts";
import { entriesOf } from "../../src/audit/entries.ts";
import { Retention } from "../../src/audit/retention.ts";
import { verifyChain } from "../../src/audit/verify.ts";
import { GatewayError } from "../../src/errors.ts";
import type { AuditLink } from "../../src/store/audit-log.ts";
import { openTestStore } from "../support/stores.ts";

const KEY = Buffer.alloc(32, 7);
const HOUR = 3_600_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** A chain whose records are kept for an hour, and a clock. */
function start() {
  const store = openTestStore();
  const chain = new AuditChain({ table: store.audit, key: KEY });
  const clock = { now: 0, failing: false, transactions: 0 };
  const errors: unknown[] = [];
  const retention = new Retention({
    log: {
      transaction(work) {
        clock.transactions += 1;
        if (clock.failing) throw new GatewayError("GW_008", { details: "the disk is full" });
        return store.audit.transaction(work);
      },
    },
    chain,
    keepMs: HOUR,
    onError: (error) => void errors.push(error),
    now: () => clock.now,
  });
  onTestFinished(() => retention.stop());
  /** A link of so many records of one moment. */
  const append = (at: number, count = 1): void => {
    const lines = Array.from({ length: count }, (_, n) => `{"kind":"proxy","at_ms":${at},"n":${n}}`).join("\n");
    store.audit.transaction(() => chain.append(lines, count));
  };
  const first = () => entriesOf(store.audit.after(-Infinity, 1))[0]?.seq;
  const verify = () => verifyChain({ table: store.audit, key: KEY, hasHistory: true });
  return { store, retention, clock, errors, append, first, verify };
}

test("what is older than an hour is dropped, to the record, and the rest is an intact chain that goes on", () => {
  const { retention, clock, append, first, verify } = start();
  append(0, 3);
  append(1_000);
  append(2_000, 2);
  append(3_000);
  retention.start();
  clock.now = HOUR + 1_500;
  vi.advanceTimersByTime(50);
  expect(first()).toBe(5);
  expect(verify()).toMatchObject({ intact: true, first: 5, records: 3 });
  append(4_000);
  clock.now = HOUR + 3_500;
  vi.advanceTimersByTime(60_000);
  expect(verify()).toMatchObject({ intact: true, first: 8, records: 1 });
});

test("a link is kept while one of its records is young enough", () => {
  const { store, retention, clock, first } = start();
  const chain = new AuditChain({ table: store.audit, key: KEY });
  store.audit.transaction(() => {
    chain.append('{"kind":"proxy","at_ms":1}\n{"kind":"execute","at_ms":5000}', 2);
    chain.append('{"kind":"proxy","at_ms":9000}', 1);
  });
  retention.start();
  clock.now = HOUR + 4_000;
  vi.advanceTimersByTime(50);
  expect(first()).toBe(1);
});

test("the newest link stays, however old it is: the head proves it", () => {
  const { retention, clock, append, verify } = start();
  append(0);
  append(1);
  clock.now = 1_000 * HOUR;
  retention.start();
  vi.advanceTimersByTime(200_000);
  expect(verify()).toMatchObject({ intact: true, first: 2, records: 1 });
});

test("much is dropped in small steps, then a minute of rest", () => {
  const { retention, clock, append, first } = start();
  for (let link = 0; link < 10; link += 1) append(link, 1_000);
  append(10);
  append(9 * HOUR);
  clock.now = 9 * HOUR;
  retention.start();
  vi.advanceTimersByTime(50);
  expect(first()).toBeLessThanOrEqual(3_001);
  vi.advanceTimersByTime(500);
  expect(first()).toBe(10_002);
  const { transactions } = clock;
  vi.advanceTimersByTime(59_000);
  expect(clock.transactions).toBe(transactions);
});

test("nothing is dropped behind a record that was changed or removed: evidence stays, and that is told once", () => {
  const damages: ((links: AuditLink[]) => AuditLink[])[] = [
    (links) => links.map((link) => (link.seq === 4 ? { ...link, lines: link.lines.replace("1", "0") } : link)),
    (links) => links.filter((link) => link.seq !== 4),
  ];
  for (const damage of damages) {
    const { store, retention, clock, errors, append, first, verify } = start();
    append(0, 2);
    append(1, 2);
    append(2, 2);
    append(3);
    const links = store.audit.after(0, 100);
    store.audit.transaction(() => {
      store.audit.drop(7);
      for (const link of damage(links)) store.audit.insert(link);
    });
    retention.start();
    clock.now = 2 * HOUR;
    vi.advanceTimersByTime(200_000);
    expect(first()).toBe(1);
    expect(errors).toEqual([expect.objectContaining({ code: "GW_011" })]);
    expect(verify().intact).toBe(false);
  }
});

test("a store that refuses is told once, and asked again", () => {
  const { retention, clock, errors, append, first } = start();
  append(0);
  append(1);
  clock.now = 2 * HOUR;
  clock.failing = true;
  retention.start();
  vi.advanceTimersByTime(180_000);
  expect(errors).toHaveLength(1);
  clock.failing = false;
  vi.advanceTimersByTime(60_000);
  expect(first()).toBe(2);
});
