import { decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import { SIGNING_ALGORITHMS, type SigningKey } from "../../../src/domain/credential/signing-key.ts";
import { ADA, expectUntouched, NOW, openTestVerbs, recordsIn, refusal, TOKEN } from "../../support/verbs.ts";

const DAY = 86_400_000;
const rotation = { algorithm: null, overlapMs: DAY };

describe("keys.rotate", () => {
  it.each(SIGNING_ALGORITHMS)(
    "makes a key for %s that signs at once, and lets the one before verify for a while",
    async (algorithm) => {
      const { verbs, store } = await openTestVerbs();
      const first = await verbs.tokens.create(ADA, TOKEN);
      const { key, before } = await verbs.keys.rotate(ADA, { algorithm, overlapMs: DAY });
      expect(key).toMatchObject({ algorithm, state: "active", createdAt: NOW, retiresAt: null });
      expect(before).toMatchObject([{ algorithm: "HS256", state: "verifying", retiresAt: NOW + DAY }]);
      const second = await verbs.tokens.create(ADA, TOKEN);
      expect(decodeProtectedHeader(second.token)).toEqual({ alg: algorithm, kid: key.id, typ: "JWT" });
      for (const { token, record } of [first, second]) {
        await store.transaction(({ tokens }) => tokens.revoke(record.id, 1)); // asked of the token itself, the record aside
        expect(await verbs.tokens.inspect(ADA, token)).toMatchObject({ id: record.id });
      }
      expect(await verbs.keys.list(ADA)).toEqual([key, ...before]);
    },
  );

  it("keeps the algorithm when none is asked for", async () => {
    const { verbs } = await openTestVerbs();
    await verbs.keys.rotate(ADA, { algorithm: "ES256", overlapMs: DAY });
    expect((await verbs.keys.rotate(ADA, rotation)).key.algorithm).toBe("ES256");
  });

  it("without an overlap retires the one before at once", async () => {
    const { verbs } = await openTestVerbs();
    const { before } = await verbs.keys.rotate(ADA, { algorithm: null, overlapMs: 0 });
    expect(before).toMatchObject([{ state: "retired", retiresAt: NOW }]);
  });

  it("is a change and a record, and neither they nor the tables hold what signs", async () => {
    const { verbs, store } = await openTestVerbs();
    const since = await store.changes.revision();
    const { key, before, revision } = await verbs.keys.rotate(ADA, { algorithm: "EdDSA", overlapMs: DAY });
    const changes = (await store.changes.since(since)) as { revision: number; change: unknown }[];
    expect(changes).toMatchObject([
      { change: { kind: "signing-key.changed", signingKey: { id: before[0]?.id, retiresAt: NOW + DAY } } },
      { revision, change: { signingKey: { id: key.id, sealed: null, publicJwk: { kty: "OKP", crv: "Ed25519" } } } },
    ]);
    const stored = await store.signingKeys.find(key.id);
    expect(Object.keys(stored?.publicJwk ?? {}).toSorted()).toEqual(["crv", "kty", "x"]);
    expect(recordsIn(store)).toMatchObject([
      {
        action: "key.rotate",
        target: key.id,
        algorithm: "EdDSA",
        before: [before[0]?.id],
        overlap_ms: DAY,
      },
    ]);
  });

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("refuses an overlap of %s ms", async (overlapMs) => {
    const { verbs, store } = await openTestVerbs();
    await expectUntouched(store, async () => {
      await expect(verbs.keys.rotate(ADA, { algorithm: null, overlapMs })).rejects.toEqual(refusal("VAL_010"));
    });
  });
});

describe("keys.retire", () => {
  it("ends a key, destroys what it signed with, and is no error the second time", async () => {
    const { verbs, store } = await openTestVerbs();
    const { before } = await verbs.keys.rotate(ADA, rotation);
    const id = before[0]?.id as string;
    const { key, revision } = await verbs.keys.retire(ADA, id);
    expect(key).toMatchObject({ id, state: "retired", retiresAt: NOW });
    expect(await store.signingKeys.find(id)).toMatchObject({ retiredAt: NOW, sealed: null });
    expect(await verbs.keys.retire(ADA, id)).toEqual({ key, revision });
    expect(recordsIn(store)).toHaveLength(2);
  });

  it("refuses the key that signs, and one that is not there", async () => {
    const { verbs, store } = await openTestVerbs();
    const [signs] = await verbs.keys.list(ADA);
    await expectUntouched(store, async () => {
      await expect(verbs.keys.retire(ADA, signs?.id as string)).rejects.toEqual(refusal("VAL_010"));
      await expect(verbs.keys.retire(ADA, "kid_none")).rejects.toEqual(refusal("ROUTE_015"));
    });
  });
});

describe("keys.retireDue", () => {
  it("retires what has verified long enough, and writes nothing when there is none", async () => {
    const { verbs, store } = await openTestVerbs();
    const { before } = await verbs.keys.rotate(ADA, rotation);
    const old = await store.signingKeys.find(before[0]?.id as string);
    await expectUntouched(store, async () => expect(await verbs.keys.retireDue(ADA)).toBe(0));
    await store.transaction(({ signingKeys }) => signingKeys.update({ ...(old as SigningKey), retiresAt: NOW }));
    expect(await verbs.keys.retireDue(ADA)).toBe(1);
    expect(await store.signingKeys.find(before[0]?.id as string)).toMatchObject({
      retiresAt: NOW,
      retiredAt: NOW,
      sealed: null,
    });
    await expectUntouched(store, async () => expect(await verbs.keys.retireDue(ADA)).toBe(0));
  });
});
