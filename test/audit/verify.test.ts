import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AuditChain, GENESIS, linkHash } from "../../src/audit/chain.ts";
import { verifyChain } from "../../src/audit/verify.ts";
import type { AuditHead, AuditLink, AuditTable } from "../../src/store/audit-log.ts";
import { openTestStore } from "../support/stores.ts";

const KEY = Buffer.alloc(32, 7);

/** The audit table as somebody finds it who can write the file: plain data. */
class Evidence implements AuditTable {
  links: AuditLink[] = [];
  #head: AuditHead | undefined;
  #anchor: AuditHead | undefined;

  head(): AuditHead | undefined {
    return this.#head;
  }
  setHead(head: AuditHead | undefined): void {
    this.#head = head;
  }
  anchor(): AuditHead | undefined {
    return this.#anchor;
  }
  setAnchor(anchor: AuditHead | undefined): void {
    this.#anchor = anchor;
  }
  drop(seq: number): void {
    this.links = this.links.filter((link) => link.seq > seq);
  }
  insert(link: AuditLink): void {
    this.links.push(link);
  }
  after(seq: number, limit: number): AuditLink[] {
    const ordered = this.links.toSorted((one, other) => one.seq - other.seq);
    return ordered.filter((link) => link.seq > seq).slice(0, limit);
  }
  last(count: number): AuditLink[] {
    const newest = Math.max(...this.links.map(({ seq }) => seq));
    return this.after(newest - count, count);
  }
}

/** Each group of records as one link. */
function recorded(groups: readonly (readonly string[])[]): Evidence {
  const evidence = new Evidence();
  const chain = new AuditChain({ table: evidence, key: KEY });
  for (const records of groups) chain.append(records.join("\n"), records.length);
  return evidence;
}

const verify = (table: AuditTable, { key = KEY, hasHistory = false } = {}) => verifyChain({ table, key, hasHistory });

/** Two records of each age, a link each. */
const ofAges = (...ages: number[]) => ages.map((age) => [0, 1].map((n) => `{"kind":"t","at_ms":${age},"n":${n}}`));

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `{"n":${index}}`);

/** Groups of records, each as old as its place says; no two records are the same. */
const groupsOfRecords = fc
  .array(fc.array(fc.json(), { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 6 })
  .map((groups) =>
    groups.map((texts, group) => texts.map((text, n) => `{"kind":"t","at_ms":${group},"n":${n},"x":${text}}`)),
  );

/** The links with something done to the one at `index`; `where` chooses among the ways to do it. */
type Damage = (links: readonly AuditLink[], index: number, where: number) => AuditLink[];

const DAMAGES: Readonly<Record<string, Damage>> = {
  "an edited record": (links, index, where) => changed(links, index, ({ lines }) => ({ lines: edited(lines, where) })),
  "a record that is gone": (links, index, where) =>
    renumbered(
      changed(links, index, ({ count, lines }) => ({
        count: count - 1,
        lines: lines
          .split("\n")
          .toSpliced(where % count, 1)
          .join("\n"),
      })),
    ),
  "records in another order": (links, _, where) => {
    const records = links.flatMap(({ lines }) => lines.split("\n"));
    const at = where % (records.length - 1);
    records.splice(at, 2, ...records.slice(at, at + 2).toReversed());
    return links.map((link) => ({ ...link, lines: records.splice(0, link.count).join("\n") }));
  },
  "a beginning that is gone": (links, index) => links.slice(1 + (index % (links.length - 1))),
  "a beginning that is gone and numbers made to fit": (links, index) =>
    renumbered(links.slice(1 + (index % (links.length - 1)))),
  "a missing link": (links, index) => links.toSpliced(index, 1),
  "a missing link and numbers made to fit": (links, index) => renumbered(links.toSpliced(index, 1)),
  "a cut": (links, index) => links.slice(0, index),
  "an added link": (links, _, where) => [...links, forged((links.at(-1)?.seq ?? 0) + 1 + (where % 3))],
  "an added link before the first": (links, _, where) => [forged(-(where % 3)), ...links],
  "an added link in between": (links, index) => renumbered(links.toSpliced(index, 0, forged(0))),
  "links in another order": (links, index, where) => {
    const other = (index + 1 + (where % (links.length - 1))) % links.length;
    const order = links.map((_, n) => (n === index ? other : n === other ? index : n));
    return renumbered(order.flatMap((from) => links.slice(from, from + 1)));
  },
  "a changed count": (links, index, where) =>
    changed(links, index, ({ count }) => ({ count: where % 2 === 0 ? count + 1 : count - 1 })),
  "a changed count and numbers made to fit": (links, index, where) =>
    renumbered(changed(links, index, ({ count }) => ({ count: where % 2 === 0 ? count + 1 : count - 1 }))),
  "a record counted to the next link": (links, index) => {
    const more = index % (links.length - 1);
    const longer = changed(links, more, ({ count }) => ({ count: count + 1 }));
    return renumbered(changed(longer, more + 1, ({ count }) => ({ count: count - 1 })));
  },
  "a changed number": (links, index, where) =>
    changed(links, index, ({ seq }) => ({ seq: where % 2 === 0 ? seq + 1 : seq - 1 })),
  "all numbers shifted": (links, _, where) => links.map((link) => ({ ...link, seq: link.seq + 1 + (where % 3) })),
  "a record moved to the link before": (links, index) => {
    const to = index % (links.length - 1);
    const [moved = "", ...rest] = links[to + 1]?.lines.split("\n") ?? [];
    const longer = changed(links, to, ({ count, lines }) => ({ count: count + 1, lines: `${lines}\n${moved}` }));
    if (rest.length === 0) return longer.toSpliced(to + 1, 1); // which makes one link of the two
    return renumbered(changed(longer, to + 1, () => ({ count: rest.length, lines: rest.join("\n") })));
  },
  "a link made two": (links, index, where) =>
    renumbered(
      links.flatMap((link, n) => {
        if (n !== index) return [link];
        // An empty half is a forgery as well: a line break before the records or after them.
        const records = link.lines.split("\n");
        const first = where % (records.length + 1);
        return [records.slice(0, first), records.slice(first)].map((half) => ({
          ...link,
          count: Math.max(1, half.length),
          lines: half.join("\n"),
        }));
      }),
    ),
};

function changed(
  links: readonly AuditLink[],
  index: number,
  change: (link: AuditLink) => Partial<AuditLink>,
): AuditLink[] {
  return links.map((link, n) => (n === index ? { ...link, ...change(link) } : link));
}

/** Replaces one character by another one. */
function edited(text: string, where: number): string {
  const at = where % text.length;
  return text.slice(0, at) + (text[at] === "x" ? "y" : "x") + text.slice(at + 1);
}

function forged(seq: number): AuditLink {
  return { seq, count: 1, lines: '{"forged":true}', hash: "0".repeat(64) };
}

/** With the numbers that follow from the counts. */
function renumbered(links: readonly AuditLink[]): AuditLink[] {
  let seq = 0;
  return links.map((link) => {
    seq += link.count;
    return { ...link, seq };
  });
}

/** With the hashes that follow from the lines: anybody can do that, but nobody can prove the last one without the key. */
function rehashed(links: readonly AuditLink[], start: string): AuditLink[] {
  let hash = start;
  return links.map((link) => {
    hash = linkHash(hash, link.lines);
    return { ...link, hash };
  });
}

describe("verifyChain", () => {
  it("finds nothing wrong with a chain that was only appended to, over several pages", () => {
    const { audit } = openTestStore();
    const chain = new AuditChain({ table: audit, key: KEY });
    audit.transaction(() => {
      for (let link = 0; link < 345; link += 1) chain.append(numbered(1 + (link % 7)).join("\n"), 1 + (link % 7));
    });
    // 49 times 1 to 7 records, and 1 + 2.
    expect(verify(audit)).toMatchObject({ intact: true, records: 49 * 28 + 3 });
  });

  it("finds nothing wrong before the first record", () => {
    expect(verify(openTestStore().audit)).toMatchObject({ intact: true, records: 0, unfinished: [] });
  });

  it.each([
    [1, { seq: 1, reason: "the record was changed" }],
    [3, { seq: 2, reason: "a record from here to 4 was changed" }],
  ])("names the first link that does not follow: record %i", (record, verdict) => {
    const evidence = recorded([["[1]"], ["[2]", "[3]", "[4]"], ["[5]"]]);
    evidence.links = evidence.links.map((link) =>
      link.seq >= record ? { ...link, lines: edited(link.lines, 1) } : link,
    );
    expect(verify(evidence)).toEqual({ intact: false, ...verdict });
  });

  it("names the first record that is missing", () => {
    const evidence = recorded([["[1]"], ["[2]", "[3]"], ["[4]"]]);
    evidence.links.splice(1, 1);
    const verdict = { intact: false, seq: 2, reason: "a record is missing" };
    expect(verify(evidence)).toEqual(verdict);
  });

  it.each(Object.entries(DAMAGES))("finds %s, wherever it is, also when all hashes are made to fit", (_, damage) => {
    fc.assert(
      fc.property(groupsOfRecords, fc.nat(), fc.nat(), fc.nat(), (groups, index, where, age) => {
        const evidence = recorded(groups);
        // None, some or all but two of the links are dropped for their age before.
        new AuditChain({ table: evidence, key: KEY }).dropBefore(age % (groups.length - 1));
        expect(verify(evidence).intact).toBe(true);
        const { seq: start, hash } = evidence.anchor() ?? { seq: 0, hash: GENESIS };
        const fromZero = evidence.links.map((link) => ({ ...link, seq: link.seq - start }));
        const damaged = damage(fromZero, index % fromZero.length, where);
        for (const links of [damaged, rehashed(damaged, hash)]) {
          evidence.links = links.map((link) => ({ ...link, seq: link.seq + start }));
          expect(verify(evidence).intact).toBe(false);
        }
      }),
    );
  });

  it("finds an edited hash, wherever it is", () => {
    fc.assert(
      fc.property(groupsOfRecords, fc.nat(), fc.nat(), (groups, index, where) => {
        const evidence = recorded(groups);
        const at = index % evidence.links.length;
        evidence.links = changed(evidence.links, at, ({ hash }) => ({ hash: edited(hash, where) }));
        expect(verify(evidence).intact).toBe(false);
      }),
    );
  });

  it("says from which record on a chain is there whose beginning was dropped", () => {
    const evidence = recorded(ofAges(1, 2, 3, 4));
    expect(new AuditChain({ table: evidence, key: KEY }).dropBefore(3)).toBe(4);
    expect(verify(evidence)).toMatchObject({ intact: true, first: 5, records: 4 });
  });

  it("is not fooled by an anchor made to fit, for that needs the key: an old head does not do", () => {
    const evidence = new Evidence();
    const chain = new AuditChain({ table: evidence, key: KEY });
    chain.append("{}", 1);
    const head = evidence.head();
    chain.append("{}", 1);
    evidence.drop(1);
    for (const anchor of [head, head && { ...head, mac: "" }, undefined]) {
      evidence.setAnchor(anchor);
      expect(verify(evidence)).toMatchObject({ intact: false, seq: 1 });
    }
  });

  it("accepts that the beginning is dropped while it walks", () => {
    const evidence = recorded(ofAges(1, 2, 3, 4));
    const chain = new AuditChain({ table: evidence, key: KEY });
    const after = evidence.after.bind(evidence);
    let reads = 0;
    evidence.after = (seq, limit) => {
      if (reads++ === 0) chain.dropBefore(3);
      return after(seq, limit);
    };
    expect(verify(evidence)).toMatchObject({ intact: true, first: 5 });
  });

  it("tells what a kept head shows to be missing", () => {
    const [whole, cut] = [recorded([["1"], ["2", "3"]]), recorded([["1"]])];
    const verdict = verifyChain({ table: cut, key: KEY, hasHistory: false, kept: whole.head() });
    expect(verdict).toEqual({ intact: false, seq: 2, reason: "records 2 to 3 are missing" });
    expect(verifyChain({ table: whole, key: KEY, hasHistory: false, kept: cut.head() }).intact).toBe(true);
  });

  it("is not fooled by a cut with a head made to fit, for that needs the key", () => {
    const evidence = recorded([["[1]"], ["[2]", "[3]"], ["[4]"]]);
    const mac = evidence.head()?.mac ?? "";
    evidence.links.splice(2);
    evidence.setHead({ seq: 3, hash: evidence.links[1]?.hash ?? "", mac });
    expect(verify(evidence)).toMatchObject({ intact: false, seq: 3 });
  });

  it("is not fooled by a chain made anew under another key", () => {
    const evidence = recorded([["[1]", "[2]"], ["[3]"]]);
    expect(verify(evidence, { key: Buffer.alloc(32, 8) }).intact).toBe(false);
  });

  it("notices that the whole chain is gone while the changes it recorded are there", () => {
    expect(verify(new Evidence(), { hasHistory: true })).toMatchObject({ intact: false, seq: 1 });
  });

  it("notices links whose head is gone", () => {
    const evidence = recorded([["[1]", "[2]"], ["[3]"]]);
    evidence.setHead(undefined);
    expect(verify(evidence)).toMatchObject({ intact: false, seq: 1 });
  });

  it("accepts what is appended while it walks", () => {
    const evidence = recorded([["[1]", "[2]"], ["[3]"]]);
    const chain = new AuditChain({ table: evidence, key: KEY });
    const after = evidence.after.bind(evidence);
    evidence.after = (seq, limit) => {
      chain.append("{}\n{}", 2);
      return after(seq, limit);
    };
    expect(verify(evidence)).toMatchObject({ intact: true, records: 3 });
  });
});
