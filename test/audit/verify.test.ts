import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AuditChain } from "../../src/audit/chain.ts";
import { verifyChain } from "../../src/audit/verify.ts";
import type { AuditHead, AuditRow, AuditTable, Store } from "../../src/store/store.ts";
import { openTestStore } from "../support/stores.ts";

const KEY = Buffer.alloc(32, 7);

/** The audit table as somebody finds it who can write the file: plain data. */
class Evidence implements AuditTable {
  rows: AuditRow[] = [];
  #head: AuditHead | undefined;

  head(): AuditHead | undefined {
    return this.#head;
  }
  setHead(head: AuditHead | undefined): void {
    this.#head = head;
  }
  insert(rows: readonly AuditRow[]): void {
    this.rows.push(...rows);
  }
  after(seq: number, limit: number): AuditRow[] {
    return this.rows.filter((row) => row.seq > seq).slice(0, limit);
  }
  last(count: number): AuditRow[] {
    return this.rows.slice(-count);
  }
}

function recorded(records: readonly string[]): Evidence {
  const evidence = new Evidence();
  new AuditChain({ table: evidence, key: KEY }).append(records);
  return evidence;
}

/** What verifying reads of a store, with `audit` as its audit table. */
function storeWith(
  audit: AuditTable,
  { changes, tokens }: Store = openTestStore(),
): Pick<Store, "audit" | "changes" | "tokens"> {
  return { audit, changes, tokens };
}

const many = (count: number) => Array.from({ length: count }, (_, index) => `{"n":${index}}`);

type Damage = (rows: AuditRow[], index: number) => void;

/** Replaces one character by another one. */
function edited(text: string, where: number): string {
  const at = where % text.length;
  return text.slice(0, at) + (text[at] === "x" ? "y" : "x") + text.slice(at + 1);
}

const DAMAGES: Readonly<Record<string, (where: number) => Damage>> = {
  "an edited record": (where) => (rows, index) => {
    rows.splice(
      index,
      1,
      ...rows.slice(index, index + 1).map((row) => ({ ...row, record: edited(row.record, where) })),
    );
  },
  "an edited hash": (where) => (rows, index) => {
    rows.splice(index, 1, ...rows.slice(index, index + 1).map((row) => ({ ...row, hash: edited(row.hash, where) })));
  },
  "a missing row": () => (rows, index) => {
    rows.splice(index, 1);
  },
  "a cut": () => (rows, index) => {
    rows.splice(index);
  },
  "an added row": (where) => (rows) => {
    rows.push({ seq: rows.length + 1, record: `{"n":${where}}`, hash: "0".repeat(64) });
  },
  "rows in another order": (where) => (rows, index) => {
    // The rows change places and take over each other's numbers, as if they had been written so.
    const other = (index + 1 + (where % (rows.length - 1))) % rows.length;
    const order = rows.map((_, n) => (n === index ? other : n === other ? index : n));
    rows.splice(
      0,
      rows.length,
      ...order.flatMap((from, n) => rows.slice(from, from + 1).map((row) => ({ ...row, seq: n + 1 }))),
    );
  },
};

describe("verifyChain", () => {
  it("finds nothing wrong with a chain that was only appended to, over several pages", () => {
    const store = openTestStore();
    const chain = new AuditChain({ table: store.audit, key: KEY });
    store.transaction(() => chain.append(many(2_345)));
    expect(verifyChain({ store, key: KEY })).toMatchObject({ intact: true, records: 2_345 });
  });

  it("finds nothing wrong before the first record", () => {
    expect(verifyChain({ store: openTestStore(), key: KEY })).toEqual({ intact: true, records: 0, head: undefined });
  });

  it("names the first record that does not follow", () => {
    const evidence = recorded(many(10));
    evidence.rows = evidence.rows.map((row) => (row.seq === 4 || row.seq === 7 ? { ...row, record: "{}" } : row));
    expect(verifyChain({ store: storeWith(evidence), key: KEY })).toMatchObject({ intact: false, seq: 4 });
  });

  it.each(Object.entries(DAMAGES))("finds %s, wherever it is", (_, damage) => {
    const store = openTestStore();
    const texts = fc.uniqueArray(fc.json(), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(texts, fc.nat(), fc.nat(), (records, index, where) => {
        const evidence = recorded(records);
        expect(verifyChain({ store: storeWith(evidence, store), key: KEY }).intact).toBe(true);
        damage(where)(evidence.rows, index % evidence.rows.length);
        expect(verifyChain({ store: storeWith(evidence, store), key: KEY }).intact).toBe(false);
      }),
    );
  });

  it("is not fooled by a cut with a head made to fit, for that needs the key", () => {
    const evidence = recorded(many(10));
    evidence.rows.splice(5);
    const mac = evidence.head()?.mac ?? "";
    evidence.setHead({ seq: 5, hash: evidence.rows[4]?.hash ?? "", mac });
    expect(verifyChain({ store: storeWith(evidence), key: KEY })).toMatchObject({ intact: false, seq: 5 });
  });

  it("is not fooled by a chain made anew under another key", () => {
    const store = storeWith(recorded(many(3)));
    expect(verifyChain({ store, key: Buffer.alloc(32, 8) }).intact).toBe(false);
  });

  it("notices that the whole chain is gone while the changes it recorded are there", () => {
    const store = openTestStore();
    store.changes.append({ kind: "sandbox.removed", sandboxId: "x" }, 1);
    expect(verifyChain({ store, key: KEY })).toMatchObject({ intact: false, seq: 1 });
  });

  it("notices rows whose head is gone", () => {
    const evidence = recorded(many(3));
    evidence.setHead(undefined);
    expect(verifyChain({ store: storeWith(evidence), key: KEY })).toMatchObject({ intact: false, seq: 1 });
  });

  it("accepts what is appended while it walks", () => {
    const evidence = recorded(many(3));
    const chain = new AuditChain({ table: evidence, key: KEY });
    const after = evidence.after.bind(evidence);
    evidence.after = (seq, limit) => {
      chain.append(["{}"]);
      return after(seq, limit);
    };
    expect(verifyChain({ store: storeWith(evidence), key: KEY })).toMatchObject({ intact: true, records: 3 });
  });
});
