import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Change } from "../../../src/domain/change.ts";
import type { Sandbox } from "../../../src/domain/sandbox.ts";
import { applyChange, type Snapshot, snapshotFrom } from "../../../src/domain/snapshot/snapshot.ts";

const sandbox = (id: string, createdAt: number): Sandbox => ({
  id,
  runtime: "generic",
  driver: "static",
  strategy: null,
  createdAt,
  instances: [],
});

const EMPTY = snapshotFrom({ revision: 0, sandboxes: [], revoked: [] });

const name = fc.constantFrom("a", "b", "c", "d");
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant("sandbox.put" as const),
    sandbox: fc.tuple(name, fc.nat()).map(([id, at]) => sandbox(id, at)),
  }),
  fc.record({ kind: fc.constant("sandbox.removed" as const), sandboxId: name }),
  fc.record({ kind: fc.constant("token.revoked" as const), tokenId: name, expiresAt: fc.nat() }),
);

function contents({ revision, sandboxes, revoked }: Snapshot) {
  return {
    revision,
    sandboxes: Object.fromEntries(sandboxes.entries()),
    revoked: Object.fromEntries(revoked.entries()),
  };
}

/** What a snapshot holds after the changes, worked out with plain objects. */
function worked(changes: readonly Change[]) {
  const sandboxes: Record<string, Sandbox> = {};
  const revoked: Record<string, { expiresAt: number }> = {};
  for (const one of changes) {
    if (one.kind === "sandbox.put") sandboxes[one.sandbox.id] = one.sandbox;
    else if (one.kind === "sandbox.removed") delete sandboxes[one.sandboxId];
    else revoked[one.tokenId] = { expiresAt: one.expiresAt };
  }
  return { revision: changes.length, sandboxes, revoked };
}

describe("a snapshot", () => {
  test("is made from plain data", () => {
    const data = { revision: 3, sandboxes: [sandbox("a", 1)], revoked: [{ tokenId: "t", expiresAt: 9 }] };
    expect(contents(snapshotFrom(data))).toEqual({
      revision: 3,
      sandboxes: { a: sandbox("a", 1) },
      revoked: { t: { expiresAt: 9 } },
    });
  });

  test("after changes holds what they say, and the ones before it stay as they were", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const versions = [EMPTY];
        for (const [index, one] of changes.entries()) {
          versions.push(applyChange(versions[index] as Snapshot, { revision: index + 1, change: one }));
        }
        for (const [count, version] of versions.entries())
          expect(contents(version)).toEqual(worked(changes.slice(0, count)));
      }),
    );
  });

  test("is not touched by changes it already holds, in whatever order they come again", () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 10 }), fc.infiniteStream(fc.nat()), (changes, picks) => {
        const revised = changes.map((one, index) => ({ revision: index + 1, change: one }));
        const latest = revised.reduce(applyChange, EMPTY);
        for (const pick of picks.take(10)) {
          const again = revised[pick % revised.length];
          expect(again === undefined ? undefined : applyChange(latest, again)).toBe(latest);
        }
      }),
    );
  });
});
