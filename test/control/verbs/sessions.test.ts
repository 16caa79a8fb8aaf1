import { describe, expect, it } from "vitest";
import type { NewSession } from "../../../src/domain/credential/session.ts";
import type { SqliteStore } from "../../../src/store/sqlite/sqlite-store.ts";
import { SOMEBODY } from "../../support/principal.ts";
import { ADA, expectUntouched, NOW, openTestVerbs, recordsIn, refusal, TOKEN } from "../../support/verbs.ts";

const HOUR = 3_600_000;
const PRINCIPAL = { ...SOMEBODY, issuedAt: NOW - 5, expiresAt: NOW + 24 * HOUR };

const wanted = (id: string, other: Partial<NewSession> = {}): NewSession => ({
  id,
  hash: "0".repeat(64),
  principal: PRINCIPAL,
  secure: true,
  replaces: null,
  address: "192.0.2.1",
  ...other,
});

const idsIn = async (store: SqliteStore) => (await store.snapshot(0)).sessions.map(({ id }) => id).toSorted();

describe("sessions.open", () => {
  it("keeps what the token may do and whence it comes, tells the data path, and leaves a record", async () => {
    const { store, verbs } = await openTestVerbs();
    const narrowed = { ...PRINCIPAL, sandboxes: ["py-*"], operations: ["run_code"], keyId: "kid_1" };
    const { session, revision } = await verbs.sessions.open(ADA, wanted("ses_1", { principal: narrowed }));
    expect(session).toMatchObject({ subject: "agent-1", role: "executor", grantedBy: "tok_1", issuedAt: NOW - 5 });
    expect(session).toMatchObject({ sandboxes: ["py-*"], operations: ["run_code"], keyId: "kid_1", secure: true });
    const { lastUsedAt, ...told } = session;
    expect([lastUsedAt, (await store.snapshot(0)).sessions]).toEqual([NOW, [told]]);
    expect(await store.changes.since(revision - 1)).toEqual([
      { revision, change: { kind: "session.opened", session: told } },
    ]);
    expect(recordsIn(store).at(-1)).toMatchObject({ action: "session.create", target: "ses_1", granted_by: "tok_1" });
    expect(JSON.stringify(recordsIn(store))).not.toContain(session.hash);
  });

  it("lives no longer than its token, nor than any session may", async () => {
    const { verbs } = await openTestVerbs();
    const long = await verbs.sessions.open(ADA, wanted("ses_1"));
    expect(long.session.expiresAt).toBe(NOW + 12 * HOUR);
    const principal = { ...PRINCIPAL, expiresAt: NOW + HOUR };
    const short = await verbs.sessions.open(ADA, wanted("ses_2", { principal }));
    expect(short.session.expiresAt).toBe(NOW + HOUR);
  });

  it("ends the subject's oldest when it has as many as it may, and nobody else's", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.sessions.open(ADA, wanted("ses_0", { principal: { ...PRINCIPAL, subject: "other" } }));
    for (const id of ["ses_1", "ses_2", "ses_3", "ses_4"]) await verbs.sessions.open(ADA, wanted(id));
    expect(await idsIn(store)).toEqual(["ses_0", "ses_2", "ses_3", "ses_4"]);
    expect(recordsIn(store)).toContainEqual(
      expect.objectContaining({ action: "session.end", target: "ses_1", reason: "crowded out" }),
    );
  });

  it("ends the one that the browser had before", async () => {
    const { store, verbs } = await openTestVerbs();
    await verbs.sessions.open(ADA, wanted("ses_1"));
    await verbs.sessions.open(ADA, wanted("ses_2", { replaces: "ses_1" }));
    await verbs.sessions.open(ADA, wanted("ses_3", { replaces: "ses_1" }));
    expect(await idsIn(store)).toEqual(["ses_2", "ses_3"]);
  });
});

describe("sessions.end and sessions.killOf", () => {
  it("end one, or all of a subject, tell the data path, and leave records", async () => {
    const { store, verbs } = await openTestVerbs();
    for (const id of ["ses_1", "ses_2", "ses_3"]) await verbs.sessions.open(ADA, wanted(id));
    const { revision } = await verbs.sessions.end(ADA, "ses_2", "killed");
    expect(await store.changes.since(revision - 1)).toEqual([
      { revision, change: { kind: "session.ended", sessionId: "ses_2" } },
    ]);
    expect((await verbs.sessions.killOf(ADA, "agent-1")).sessions.map(({ id }) => id)).toEqual(["ses_3", "ses_1"]);
    expect([await idsIn(store), await verbs.sessions.list(ADA, { subject: null })]).toEqual([[], []]);
    expect(recordsIn(store).at(-1)).toMatchObject({ actor: "cli:ada", action: "session.end", reason: "killed" });
  });

  it("refuse a session that is not open and a subject that is none, and write nothing", async () => {
    const { store, verbs } = await openTestVerbs();
    await expectUntouched(store, async () => {
      await expect(verbs.sessions.end(ADA, "ses_1", "killed")).rejects.toEqual(refusal("ROUTE_017"));
      await expect(verbs.sessions.killOf(ADA, "")).rejects.toEqual(refusal("VAL_010"));
    });
  });
});

/** A session of this store as it would be had it been opened then. */
async function keep(store: SqliteStore, id: string, times: { lastUsedAt?: number; expiresAt?: number }) {
  const { subject, role, sandboxes, operations } = PRINCIPAL;
  const own = { id, hash: "00", subject, role, sandboxes, operations, grantedBy: "tok_1", keyId: null, secure: true };
  const at = { issuedAt: 1, createdAt: 2, expiresAt: NOW + HOUR, lastUsedAt: NOW, ...times };
  await store.transaction(({ sessions }) => sessions.create({ ...own, ...at }));
}

describe("sessions.endDue", () => {
  const IDLE = 1_800_000 + 30_000; // uses may be told that late

  it("ends what has expired and what nothing was called with, and leaves the rest", async () => {
    const { store, verbs } = await openTestVerbs();
    await keep(store, "ses_good", { lastUsedAt: NOW - IDLE + 1, expiresAt: NOW + 1 });
    await keep(store, "ses_idle", { lastUsedAt: NOW - IDLE });
    await keep(store, "ses_used", { lastUsedAt: NOW - IDLE });
    await keep(store, "ses_over", { expiresAt: NOW });
    await store.uses.note([
      { tokenId: "ses_used", at: NOW },
      { tokenId: "ses_idle", at: NOW - IDLE - 1 },
      { tokenId: "ses_gone", at: NOW },
    ]);
    expect(await verbs.sessions.endDue(ADA, { revoked: true })).toBe(2);
    expect(await idsIn(store)).toEqual(["ses_good", "ses_used"]);
    const ended = recordsIn(store).map((record) => record as Record<string, unknown>);
    expect(ended.map(({ target, reason }) => `${String(target)} ${String(reason)}`).toSorted()).toEqual([
      "ses_idle idle",
      "ses_over expired",
    ]);
    await expectUntouched(store, () => verbs.sessions.endDue(ADA, { revoked: false }));
  });

  it.each(["its token", "its subject", "its token, made elsewhere,", "its key"])(
    "ends a session when %s is revoked",
    async (what) => {
      const { store, verbs } = await openTestVerbs();
      const { record } = await verbs.tokens.create(ADA, TOKEN);
      const [signs] = await store.signingKeys.list();
      const from = { ...PRINCIPAL, tokenId: record.id, keyId: signs?.id ?? null };
      await verbs.sessions.open(ADA, wanted("ses_1", { principal: from }));
      expect(await verbs.sessions.endDue(ADA, { revoked: true })).toBe(0);
      if (what === "its token") await verbs.tokens.revoke(ADA, record.id);
      else if (what === "its subject")
        await verbs.revocations.revokeSubject(ADA, { subject: "agent-1", issuedBefore: null });
      else if (what === "its key") await verbs.keys.rotate(ADA, { algorithm: null, overlapMs: 0 });
      else await verbs.revocations.revokeForeign(ADA, { tokenId: record.id, expiresAt: null });
      expect(await verbs.sessions.endDue(ADA, { revoked: true })).toBe(1);
      expect(recordsIn(store).at(-1)).toMatchObject({ action: "session.end", reason: "revoked" });
    },
  );
});
