import { describe, expect, it } from "vitest";
import { activeSigner } from "../../../src/auth/keys/key-ring.ts";
import { VerificationKeys } from "../../../src/auth/keys/verification-keys.ts";
import { issueToken, tokenHash } from "../../../src/auth/tokens/issue.ts";
import { readToken } from "../../../src/auth/tokens/form.ts";
import { TokenVerifier } from "../../../src/auth/tokens/verify.ts";
import { isApiKey } from "../../../src/auth/api-key-text.ts";
import { apiKeyOf } from "../../../src/domain/credential/api-key.ts";
import { NEVER, type TokenForm } from "../../../src/domain/token.ts";
import type { NewToken } from "../../../src/control/verbs/tokens.ts";
import { ADA, expectUntouched, NOW, openTestVerbs, recordsIn, refusal, TOKEN } from "../../support/verbs.ts";

describe("tokens.create", () => {
  it("makes a token that verifies, and stores only its keyed hash", async () => {
    const { store, keys, verbs } = await openTestVerbs();
    const narrowed = { ...TOKEN, sandboxes: ["py-*"], operations: ["run_code"] };
    const { token, record } = await verbs.tokens.create(ADA, narrowed);
    expect(await store.tokens.find(record.id)).toEqual(record);
    expect(record.hash).toBe(tokenHash(keys.tokenHashKey, token));
    const verifier = new TokenVerifier({
      keys: new VerificationKeys({ keys, now: () => NOW }),
      issuer: "iss",
      audience: "aud",
      clockSkewMs: 0,
      now: () => NOW,
    });
    expect(
      await verifier.verify(
        token,
        readToken(token),
        new Map((await store.signingKeys.list()).map((key) => [key.id, key])),
      ),
    ).toMatchObject({
      subject: "agent-1",
      role: "executor",
      tokenId: record.id,
      sandboxes: ["py-*"],
      operations: ["run_code"],
      expiresAt: record.expiresAt,
    });
    expect(JSON.stringify([await store.tokens.list(), store.audit.last(10)])).not.toContain(token.split(".")[2]);
  });

  it("never lives shorter than asked, and at most a second longer", async () => {
    const { verbs } = await openTestVerbs();
    const { record } = await verbs.tokens.create(ADA, { ...TOKEN, expiresInMs: 1000 });
    expect(record.expiresAt - NOW).toBeGreaterThanOrEqual(1000);
    expect(record.expiresAt - NOW).toBeLessThan(2000);
  });

  it("leaves a record of who made it, for whom and how narrow, and nothing for the data path", async () => {
    const { store, verbs } = await openTestVerbs();
    const { record, revision } = await verbs.tokens.create(ADA, { ...TOKEN, sandboxes: ["py-*"] });
    expect(recordsIn(store)).toEqual([
      {
        kind: "admin",
        at_ms: NOW,
        actor: "cli:ada",
        action: "token.create",
        target: record.id,
        subject: "agent-1",
        role: "executor",
        sandboxes: ["py-*"],
        operations: null,
        form: "signed",
        expires_at_ms: record.expiresAt,
      },
    ]);
    expect(revision).toBe(0);
    expect(await store.changes.revision()).toBe(0);
  });

  it("makes an API key that the data path knows by its keyed hash alone", async () => {
    const { store, keys, verbs } = await openTestVerbs();
    const { token, record, revision } = await verbs.tokens.create(ADA, { ...TOKEN, form: "opaque" });
    expect(isApiKey(token)).toBe(true);
    expect(record).toMatchObject({ form: "opaque", prefix: token.slice(0, 10), expiresAt: NOW + 60_000 + 877 });
    const { apiKeys } = await store.snapshot(NOW);
    expect(apiKeys).toEqual([apiKeyOf(record)]);
    expect(apiKeys[0]?.hash).toBe(tokenHash(keys.tokenHashKey, token));
    expect(revision).toBe(1);
    expect(JSON.stringify([await store.changes.since(0), recordsIn(store), record])).not.toContain(token.slice(10));
    expect(await verbs.tokens.inspect(ADA, token)).toEqual(record);
  });

  it("lets an API key live for API_KEY_EXPIRY, or without an end, and no signed token", async () => {
    const { verbs } = await openTestVerbs();
    const expiresAt = async (form: TokenForm, expiresInMs: number | null) =>
      (await verbs.tokens.create(ADA, { ...TOKEN, form, expiresInMs })).record.expiresAt;
    expect(await expiresAt("opaque", null)).toBe(Math.ceil((NOW + 90 * 86_400_000) / 1000) * 1000);
    expect(await expiresAt("opaque", Number.POSITIVE_INFINITY)).toBe(NEVER);
    await expect(expiresAt("signed", Number.POSITIVE_INFINITY)).rejects.toEqual(refusal("VAL_010"));
  });

  it.each<[string, Partial<NewToken>]>([
    ["an unknown role", { role: "root" }],
    ["an inherited name as role", { role: "constructor" }],
    ["no subject", { subject: "" }],
    ["a subject with a line end", { subject: "a\nb" }],
    ["a subject that turns text around", { subject: "a\u202eb" }],
    ["a subject that is too long", { subject: "a".repeat(129) }],
    ["no lifetime", { expiresInMs: 0 }],
    ["a negative lifetime", { expiresInMs: -60_000 }],
    ["an endless lifetime", { expiresInMs: Number.POSITIVE_INFINITY }],
    ["a lifetime beyond the calendar", { expiresInMs: 1e15 }],
    ["a pattern that matches no id", { sandboxes: ["py/*"] }],
    ["an empty pattern", { sandboxes: [""] }],
    ["an operation with a space", { operations: ["run code"] }],
  ])("refuses %s and writes nothing", async (_, wrong) => {
    const { store, verbs } = await openTestVerbs();
    await expectUntouched(store, () =>
      expect(verbs.tokens.create(ADA, { ...TOKEN, ...wrong })).rejects.toEqual(refusal("VAL_010")),
    );
  });
});

describe("tokens.revoke", () => {
  it("writes row, change and record together, and says which revision must be in force", async () => {
    const { store, verbs } = await openTestVerbs();
    const { record } = await verbs.tokens.create(ADA, TOKEN);
    expect(await verbs.tokens.revoke(ADA, record.id)).toEqual({ record: { ...record, revokedAt: NOW }, revision: 1 });
    expect((await store.tokens.find(record.id))?.revokedAt).toBe(NOW);
    const change = { kind: "token.revoked", tokenId: record.id, expiresAt: record.expiresAt };
    expect(await store.changes.since(0)).toEqual([{ revision: 1, change }]);
    expect(recordsIn(store).at(-1)).toMatchObject({ action: "token.revoke", target: record.id, actor: "cli:ada" });
  });

  it("changes nothing the second time, and names a revision in which it was revoked", async () => {
    const { store, verbs } = await openTestVerbs();
    const { record } = await verbs.tokens.create(ADA, TOKEN);
    const revoked = await verbs.tokens.revoke(ADA, record.id);
    await expectUntouched(store, async () => expect(await verbs.tokens.revoke(ADA, record.id)).toEqual(revoked));
  });

  it("knows nothing of a token that was never made", async () => {
    const { verbs } = await openTestVerbs();
    await expect(verbs.tokens.revoke(ADA, "tok_unknown")).rejects.toEqual(refusal("ROUTE_005"));
  });
});

describe("tokens.find", () => {
  it("finds a token by its id, and nothing else", async () => {
    const { verbs } = await openTestVerbs();
    const { record } = await verbs.tokens.create(ADA, TOKEN);
    expect(await verbs.tokens.find(ADA, record.id)).toEqual(record);
    await expect(verbs.tokens.find(ADA, "tok_unknown")).rejects.toEqual(refusal("ROUTE_005"));
  });
});

describe("tokens.list", () => {
  it("leaves out what has expired unless that is asked for, newest first", async () => {
    const { store, verbs } = await openTestVerbs();
    const { record } = await verbs.tokens.create(ADA, TOKEN);
    const past = { ...record, id: "tok_past", hash: "past", createdAt: NOW - 100, expiresAt: NOW };
    await store.transaction(({ tokens }) => tokens.create(past));
    expect(await verbs.tokens.list(ADA, { expired: false })).toEqual([record]);
    expect(await verbs.tokens.list(ADA, { expired: true })).toEqual([record, past]);
  });
});

describe("tokens.inspect", () => {
  it("knows one of ours by the token itself, revoked or not", async () => {
    const { verbs } = await openTestVerbs();
    const { token, record } = await verbs.tokens.create(ADA, TOKEN);
    expect(await verbs.tokens.inspect(ADA, token)).toEqual(record);
    await verbs.tokens.revoke(ADA, record.id);
    expect((await verbs.tokens.inspect(ADA, token)).revokedAt).toBe(NOW);
  });

  it("takes one that was made elsewhere with our key, and refuses one that was not", async () => {
    const { keys, store, verbs } = await openTestVerbs();
    const signer = await activeSigner(keys, store.signingKeys);
    const principal = { subject: "x", role: "viewer" as const, tokenId: "foreign", sandboxes: null, operations: null };
    const issued = { principal, issuer: "iss", audience: "aud", expiresAt: NOW + 60_000, now: NOW };
    const ours = await issueToken({ ...issued, key: signer });
    expect(await verbs.tokens.inspect(ADA, ours)).toMatchObject({ id: "foreign", subject: "x", revokedAt: null });
    const theirs = await issueToken({ ...issued, key: { ...signer, key: new Uint8Array(32) } });
    await expect(verbs.tokens.inspect(ADA, theirs)).rejects.toEqual(refusal("AUTH_001"));
  });
});
