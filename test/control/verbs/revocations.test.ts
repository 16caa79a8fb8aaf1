import { describe, expect, it } from "vitest";
import { NEVER } from "../../../src/domain/token.ts";
import { ADA, expectUntouched, NOW, openTestVerbs, recordsIn, refusal, TOKEN } from "../../support/verbs.ts";

describe("revocations.revokeSubject", () => {
  it("takes back all that was issued before, tells the data path, and leaves a record", async () => {
    const { store, verbs } = await openTestVerbs();
    const { record } = await verbs.tokens.create(ADA, TOKEN);
    const { record: other } = await verbs.tokens.create(ADA, { ...TOKEN, subject: "agent-2" });
    const revoked = await verbs.revocations.revokeSubject(ADA, { subject: "agent-1", issuedBefore: null });
    expect(revoked).toMatchObject({ subject: "agent-1", issuedBefore: NOW, revision: 1 });
    const { revokedSubjects } = await store.snapshot(0);
    expect(revokedSubjects).toEqual([{ subject: "agent-1", issuedBefore: NOW }]);
    expect((await store.tokens.find(other.id))?.revokedAt).toBeNull();
    expect(record.createdAt).toBe(NOW);
    expect(recordsIn(store).at(-1)).toMatchObject({ action: "subject.revoke", target: "agent-1" });
  });

  it("never takes an earlier revocation back", async () => {
    const { verbs } = await openTestVerbs();
    await verbs.revocations.revokeSubject(ADA, { subject: "agent-1", issuedBefore: NOW - 5 });
    const again = await verbs.revocations.revokeSubject(ADA, { subject: "agent-1", issuedBefore: NOW - 10 });
    expect(again.issuedBefore).toBe(NOW - 5);
  });

  it.each([
    ["a moment to come", { issuedBefore: NOW + 1 }],
    ["no subject", { subject: "" }],
    ["a subject with a line end", { subject: "a\nb" }],
  ])("refuses %s and writes nothing", async (_, wrong) => {
    const { store, verbs } = await openTestVerbs();
    await expectUntouched(store, () =>
      expect(
        verbs.revocations.revokeSubject(ADA, { subject: "agent-1", issuedBefore: null, ...wrong }),
      ).rejects.toEqual(refusal("VAL_010")),
    );
  });

  it("leaves good what is issued afterwards, even in the same second", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.revocations.revokeSubject(ADA, { subject: "agent-1", issuedBefore: null });
    const { token } = await verbs.tokens.create(ADA, TOKEN);
    const { issuedBefore = 0 } = (await store.snapshot(0)).revokedSubjects[0] ?? {};
    const claims = JSON.parse(Buffer.from(token.split(".")[1] as string, "base64url").toString()) as { iat: number };
    expect(claims.iat * 1000).toBeGreaterThanOrEqual(issuedBefore);
  });
});

describe("revocations.revokeForeign", () => {
  it("takes back a token that nobody here has made, for as long as it may live", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.revocations.revokeForeign(ADA, { tokenId: "a b", expiresAt: NOW + 5 });
    await verbs.revocations.revokeForeign(ADA, { tokenId: "x", expiresAt: null });
    const { revoked } = await store.snapshot(NOW);
    expect(revoked).toEqual([
      { tokenId: "a b", expiresAt: NOW + 5 },
      { tokenId: "x", expiresAt: NEVER },
    ]);
    expect(recordsIn(store)).toHaveLength(2);
  });

  it.each(["", "a\u0000b", "a".repeat(321)])("refuses the id %j", async (tokenId) => {
    const { store, verbs } = await openTestVerbs();
    await expectUntouched(store, () =>
      expect(verbs.revocations.revokeForeign(ADA, { tokenId, expiresAt: null })).rejects.toEqual(refusal("VAL_010")),
    );
  });
});
