import { createSecretKey } from "node:crypto";
import * as fc from "fast-check";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { AuditChain } from "../../../src/audit/chain.ts";
import { entriesOf } from "../../../src/audit/entries.ts";
import { type AuditFilter, matches, recordOf, wantedTerms } from "../../../src/audit/search/filter.ts";
import { Indexer } from "../../../src/audit/search/indexer.ts";
import { type Order, searchPage } from "../../../src/audit/search/search.ts";
import { GatewayError } from "../../../src/errors.ts";
import type { SqliteStore } from "../../../src/store/sqlite/sqlite-store.ts";
import { openTestStore } from "../../support/stores.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const RAW = Buffer.alloc(32, 7);
const KEY = createSecretKey(RAW);
const ALL: AuditFilter = { where: {} };

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

function open(file?: string) {
  const store = openTestStore(file);
  const chain = new AuditChain({ table: store.audit, key: RAW });
  const append = (...records: string[]): void => {
    store.audit.transaction(() => chain.append(records.join("\n"), records.length));
  };
  return { store, chain, append };
}

/** Indexes all that there is to index now. */
function index(store: SqliteStore): void {
  const indexer = new Indexer({
    log: store.audit,
    key: KEY,
    isBusy: () => false,
    onError: (error) => {
      throw error;
    },
  });
  indexer.start();
  vi.advanceTimersByTime(9_000);
  indexer.stop();
}

/** All pages of a search. */
function found(store: SqliteStore, filter: AuditFilter, order: Order = "oldest first"): number[] {
  const seqs: number[] = [];
  let cursor: number | undefined;
  do {
    const page = searchPage({ table: store.audit, key: KEY, filter, order, cursor });
    seqs.push(...page.entries.map(({ seq }) => seq));
    cursor = page.next;
  } while (cursor !== undefined);
  return seqs;
}

const call = (at: number, subject: string, status = 200): string =>
  JSON.stringify({ kind: "proxy", at_ms: at, request_id: `req_${at}`, subject, sandbox: "demo", status });

const calls = (count: number, from = 1): string[] =>
  Array.from({ length: count }, (_, n) => call(from + n, (from + n) % 100 === 0 ? "ada" : "bob"));

const blocks = (store: SqliteStore): number => store.audit.blocksFrom(0, 1_000_000).length;

/** Nothing but the index says what is found, for the records are other ones now. */
function replaceRecords(file: string): void {
  const database = new Database(file);
  database.exec(`UPDATE audit SET lines = replace(lines, '"bob"', '"eve"')`);
  database.close();
}

describe("a search", () => {
  it("finds the same with an index as by reading everything, in both directions, wherever the chain begins", () => {
    const subjects = ["ada", "bob", "eve"];
    const group = fc.array(
      fc.record({ subject: fc.constantFrom(...subjects), status: fc.constantFrom(200, 403, 404, 503), at: fc.nat(50) }),
      { minLength: 1, maxLength: 300 },
    );
    const asked = fc.record({
      from: fc.option(fc.nat(50), { nil: undefined }),
      until: fc.option(fc.nat(50), { nil: undefined }),
      where: fc.record(
        {
          subject: fc.constantFrom(...subjects),
          status: fc.constantFrom("403", "4xx", "5xx"),
          kind: fc.constant("proxy"),
        },
        { requiredKeys: [] },
      ),
    });
    const property = fc.property(
      fc.array(group, { maxLength: 8 }),
      fc.nat(8),
      fc.nat(30),
      asked,
      (groups, indexed, old, filter) => {
        const { store, chain, append } = open();
        groups.forEach((records, number) => {
          append(...records.map(({ subject, status, at }) => call(at, subject, status)));
          if (number === indexed) index(store);
        });
        store.audit.transaction(() => void chain.dropBefore(old));
        const all = entriesOf(store.audit.after(0, 1_000));
        const wanted = wantedTerms(filter);
        const expected = all
          .filter(({ record }) => matches(recordOf(record) ?? {}, filter, wanted))
          .map(({ seq }) => seq);
        expect(found(store, filter)).toEqual(expected);
        expect(found(store, filter, "newest first")).toEqual(expected.toReversed());
      },
    );
    fc.assert(property, { numRuns: 40 });
  });

  it("reads only the blocks that may hold something", () => {
    const { store, append } = open();
    for (let from = 1; from < 5_000; from += 100) append(...calls(100, from));
    index(store);
    expect(blocks(store)).toBeGreaterThan(10);
    const after = vi.spyOn(store.audit, "after");
    expect(found(store, { where: { request: "req_2345" } })).toEqual([2_345]);
    expect(found(store, { where: {}, from: 4_000, until: 4_002 })).toEqual([4_000, 4_001]);
    expect(after.mock.calls.length).toBeLessThan(8);
  });

  it("goes on where a page ended, also when that page has found nothing", () => {
    const { store, append } = open();
    for (let from = 1; from < 9_000; from += 500) append(...calls(500, from));
    const first = searchPage({
      table: store.audit,
      key: KEY,
      filter: { where: { request: "req_8999" } },
      order: "oldest first",
    });
    expect(first).toMatchObject({ entries: [], next: expect.any(Number) });
    expect(found(store, { where: { request: "req_8999" } })).toEqual([8_999]);
  });

  it.each([-1, 0, 1.5, 1e15])("with a cursor that nobody gave, %d, is answered all the same", (cursor) => {
    const { store, append } = open();
    append(...calls(3));
    for (const order of ["oldest first", "newest first"] as const) {
      const page = searchPage({ table: store.audit, key: KEY, filter: ALL, order, cursor });
      expect(page.entries.length).toBeLessThanOrEqual(3);
    }
  });

  it("of an empty chain finds nothing", () => {
    expect(found(open().store, ALL)).toEqual([]);
  });

  it("finds records in which a field is of another kind, and passes over what is no record", () => {
    const { store, append } = open();
    append('{"kind":"proxy","at_ms":"soon","subject":7}', "not json", "[1]", "null", call(5, "ada"));
    expect(found(store, { where: { subject: "ada" } })).toEqual([5]);
    expect(found(store, { where: { subject: "7" } })).toEqual([1]);
    expect(found(store, { where: {}, from: 0 })).toEqual([5]);
    expect(found(store, ALL)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("the index", () => {
  it("says what is found as long as it is the gateway's own, and hides nothing when it is not", () => {
    const file = `${temporaryFolder()}/test.db`;
    const { store, append } = open(file);
    for (let from = 1; from < 1_000; from += 100) append(...calls(100, from));
    index(store);
    replaceRecords(file);
    const eves = (): number => found(store, { where: { subject: "eve" } }).length;
    expect(eves()).toBe(99); // of the last hundred, which no block speaks of
    const database = new Database(file);
    onTestFinished(() => void database.close());
    database.exec("UPDATE audit_blocks SET first = 1, last = 100000 WHERE last = (SELECT max(last) FROM audit_blocks)");
    database.exec("UPDATE audit_blocks SET terms = zeroblob(400)");
    expect(eves()).toBe(990);
    database.exec("DELETE FROM audit_blocks");
    expect(eves()).toBe(990);
  });

  it("goes with the records it is of", () => {
    const { store, chain, append } = open();
    for (let from = 1; from < 1_000; from += 100) append(...calls(100, from));
    index(store);
    expect(blocks(store)).toBe(3);
    store.audit.transaction(() => void chain.dropBefore(601));
    expect(blocks(store)).toBe(1);
    expect(found(store, ALL)).toHaveLength(400);
  });

  it("is made of enough records only, and once", () => {
    const { store, append } = open();
    append(...calls(255));
    index(store);
    expect(blocks(store)).toBe(0);
    append(...calls(1, 256));
    index(store);
    index(store);
    expect(blocks(store)).toBe(1);
  });

  it("tells once that it cannot be written, and is when it can and there is time for it", () => {
    const { store, append } = open();
    append(...calls(300));
    const state = { failing: true, busy: false };
    const errors: unknown[] = [];
    const indexer = new Indexer({
      key: KEY,
      isBusy: () => state.busy,
      onError: (error) => void errors.push(error),
      log: {
        ...store.audit,
        transaction(work) {
          if (state.failing) throw new GatewayError("GW_008", { details: "the disk is full" });
          return store.audit.transaction(work);
        },
      },
    });
    onTestFinished(() => indexer.stop());
    indexer.start();
    vi.advanceTimersByTime(60_000);
    expect(errors).toHaveLength(1);
    Object.assign(state, { failing: false, busy: true });
    vi.advanceTimersByTime(60_000);
    expect(blocks(store)).toBe(0);
    state.busy = false;
    vi.advanceTimersByTime(60_000);
    expect(blocks(store)).toBe(1);
  });
});
