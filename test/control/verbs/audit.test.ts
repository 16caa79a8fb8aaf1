import { describe, expect, it } from "vitest";
import { AuditChain } from "../../../src/audit/chain.ts";
import { ADA, openTestVerbs, SANDBOX } from "../../support/verbs.ts";

const numbered = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `{"n":${from + index}}`);

async function withRecords() {
  const { store, keys, verbs } = await openTestVerbs();
  const chain = new AuditChain({ table: store.audit, key: keys.auditKey });
  store.audit.transaction(() => {
    for (const from of [1, 4]) chain.append(numbered(from, 3).join("\n"), 3);
  });
  return { store, verbs };
}

describe("audit.last", () => {
  it.each([
    [0, []],
    [2, [5, 6]],
    [4, [3, 4, 5, 6]],
    [100, [1, 2, 3, 4, 5, 6]],
  ])("gives the newest %i records, whatever they were committed with", async (count, expected) => {
    const { verbs } = await withRecords();
    const entries = await verbs.audit.last(ADA, count);
    expect(entries.map(({ seq }) => seq)).toEqual(expected);
    expect(entries.map(({ record }) => record)).toEqual(expected.map((n) => `{"n":${n}}`));
  });
});

describe("audit.after", () => {
  it.each([
    [0, [1, 2, 3, 4, 5, 6]],
    [4, [5, 6]],
    [6, []],
  ])("gives the records after number %i", async (seq, expected) => {
    const { verbs } = await withRecords();
    expect((await verbs.audit.after(ADA, seq)).map((entry) => entry.seq)).toEqual(expected);
  });
});

describe("audit.verify", () => {
  it("finds nothing wrong with what the verbs wrote", async () => {
    const { verbs } = await openTestVerbs();
    expect(await verbs.audit.verify(ADA)).toMatchObject({ intact: true, records: 0 });
    await verbs.sandboxes.create(ADA, SANDBOX);
    expect(await verbs.audit.verify(ADA)).toMatchObject({ intact: true, records: 1 });
  });

  it("notices that the whole chain is gone while the changes it recorded are there", async () => {
    const { store, verbs } = await openTestVerbs();
    await store.transaction(({ changes }) => changes.append({ kind: "sandbox.removed", sandboxId: "x" }, 1));
    expect(await verbs.audit.verify(ADA)).toMatchObject({ intact: false, seq: 1 });
  });
});
