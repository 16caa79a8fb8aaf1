import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ApiKey } from "../../../src/domain/credential/api-key.ts";
import type { Session } from "../../../src/domain/credential/session.ts";
import type { SigningKey } from "../../../src/domain/credential/signing-key.ts";
import type { Change } from "../../../src/domain/change.ts";
import { type Role, wideGrant } from "../../../src/domain/role/role.ts";
import type { CustomRoute } from "../../../src/domain/route/route.ts";
import type { Sandbox } from "../../../src/domain/sandbox.ts";
import {
  applyChange,
  dropped,
  held,
  type Snapshot,
  snapshotData,
  snapshotFrom,
} from "../../../src/domain/snapshot/snapshot.ts";
import { PLAIN_INSTANCE, PLAIN_SANDBOX } from "../../support/sandboxes.ts";
import { NO_STATE } from "../../support/snapshot.ts";

/** With instances whose ids are its own: no other sandbox has them. */
const sandbox = (id: string, createdAt: number, instances: readonly string[] = []): Sandbox => ({
  id,
  ...PLAIN_SANDBOX,
  createdAt,
  instances: instances.map((name, number) => ({
    id: `${id}-${name}`,
    sandboxId: id,
    url: "http://h:1",
    number,
    ...PLAIN_INSTANCE,
  })),
});

const role = (name: string): Role => ({ name, grants: [wideGrant("sandbox:read")] });

const route = (id: string, sandboxId: string, at: number): CustomRoute => ({
  id,
  host: at % 2 === 0 ? null : "a.example",
  path: ["/", "/x", "/x/y"][at % 3] as string,
  methods: null,
  stripPrefix: false,
  sandboxId,
  settings: {},
  createdAt: at,
});

const signingKey = (id: string, retiredAt: number | null): SigningKey => ({
  id,
  algorithm: "HS256",
  createdAt: 1,
  retiresAt: retiredAt,
  retiredAt,
  publicJwk: null,
  sealed: "AA==",
});
const apiKey = (hash: string, at: number): ApiKey => ({
  hash,
  tokenId: `tok_${hash}`,
  subject: "agent-1",
  role: "executor",
  sandboxes: null,
  operations: null,
  createdAt: at,
  expiresAt: at + 1,
});

const session = (id: string, at: number): Session => ({
  id,
  hash: "00",
  subject: "agent-1",
  role: "executor",
  sandboxes: null,
  operations: null,
  grantedBy: "tok_1",
  keyId: null,
  issuedAt: at,
  createdAt: at,
  expiresAt: at + 1,
  secure: true,
});

const EMPTY = snapshotFrom(NO_STATE);

const name = fc.constantFrom("a", "b", "c", "d");
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant("sandbox.put" as const),
    sandbox: fc
      .tuple(name, fc.nat(), fc.uniqueArray(fc.constantFrom("1", "2", "3")))
      .map(([id, at, instances]) => sandbox(id, at, instances)),
  }),
  fc.record({ kind: fc.constant("sandbox.removed" as const), sandboxId: name }),
  fc.record({
    kind: fc.constant("route.put" as const),
    route: fc.tuple(name, name, fc.nat()).map(([id, sandboxId, at]) => route(id, sandboxId, at)),
  }),
  fc.record({ kind: fc.constant("route.removed" as const), routeId: name }),
  fc.record({ kind: fc.constant("token.revoked" as const), tokenId: name, expiresAt: fc.nat() }),
  fc.record({ kind: fc.constant("link-key.retired" as const), keyId: name }),
  fc.record({ kind: fc.constant("subject.revoked" as const), subject: name, issuedBefore: fc.nat() }),
  fc.record({
    kind: fc.constant("api-key.created" as const),
    apiKey: fc.tuple(name, fc.nat()).map(([hash, at]) => apiKey(hash, at)),
  }),
  fc.record({
    kind: fc.constant("signing-key.changed" as const),
    signingKey: fc.tuple(name, fc.option(fc.nat())).map(([id, retiredAt]) => signingKey(id, retiredAt)),
  }),
  fc.record({
    kind: fc.constant("session.opened" as const),
    session: fc.tuple(name, fc.nat()).map(([id, at]) => session(id, at)),
  }),
  fc.record({ kind: fc.constant("session.ended" as const), sessionId: name }),
  fc.record({ kind: fc.constant("role.put" as const), role: name.map(role) }),
  fc.record({ kind: fc.constant("role.removed" as const), name }),
);

function after(snapshot: Snapshot, one: Change): Snapshot {
  return applyChange(snapshot, { revision: snapshot.revision + 1, change: one });
}

function contents({
  revision,
  sandboxes,
  routes,
  revoked,
  revokedSubjects,
  apiKeys,
  signingKeys,
  retiredLinkKeys,
  sessions,
  roles,
}: Snapshot) {
  return {
    revision,
    sandboxes: Object.fromEntries(sandboxes.entries()),
    routes: Object.fromEntries([...routes.values()].map((one) => [one.id, one])),
    revoked: Object.fromEntries(revoked.entries()),
    revokedSubjects: Object.fromEntries(revokedSubjects.entries()),
    apiKeys: Object.fromEntries(apiKeys.entries()),
    signingKeys: Object.fromEntries(signingKeys.entries()),
    retiredLinkKeys: Object.fromEntries(retiredLinkKeys.entries()),
    sessions: Object.fromEntries(sessions.entries()),
    roles: Object.fromEntries(roles.own().map((each) => [each.name, each])),
  };
}

/** What a snapshot holds after the changes, worked out with plain objects. */
function worked(changes: readonly Change[]) {
  const sandboxes: Record<string, Sandbox> = {};
  const routes: Record<string, CustomRoute> = {};
  const revoked: Record<string, { expiresAt: number }> = {};
  const revokedSubjects: Record<string, { subject: string; issuedBefore: number }> = {};
  const apiKeys: Record<string, ApiKey> = {};
  const signingKeys: Record<string, SigningKey> = {};
  const retiredLinkKeys: Record<string, { keyId: string }> = {};
  const sessions: Record<string, Session> = {};
  const roles: Record<string, Role> = {};
  for (const one of changes) {
    if (one.kind === "sandbox.put") sandboxes[one.sandbox.id] = one.sandbox;
    else if (one.kind === "sandbox.removed") delete sandboxes[one.sandboxId];
    else if (one.kind === "route.put") routes[one.route.id] = one.route;
    else if (one.kind === "route.removed") delete routes[one.routeId];
    else if (one.kind === "token.revoked") revoked[one.tokenId] = { expiresAt: one.expiresAt };
    else if (one.kind === "api-key.created") apiKeys[one.apiKey.hash] = one.apiKey;
    else if (one.kind === "signing-key.changed") signingKeys[one.signingKey.id] = one.signingKey;
    else if (one.kind === "link-key.retired") retiredLinkKeys[one.keyId] = { keyId: one.keyId };
    else if (one.kind === "session.opened") sessions[one.session.id] = one.session;
    else if (one.kind === "session.ended") delete sessions[one.sessionId];
    else if (one.kind === "role.put") roles[one.role.name] = one.role;
    else if (one.kind === "role.removed") delete roles[one.name];
    else if (one.kind === "subject.revoked") {
      const { subject, issuedBefore } = one;
      revokedSubjects[subject] = { subject, issuedBefore };
    }
  }
  return {
    revision: changes.length,
    sandboxes,
    routes,
    revoked,
    revokedSubjects,
    apiKeys,
    signingKeys,
    retiredLinkKeys,
    sessions,
    roles,
  };
}

describe("a snapshot", () => {
  test("is made from plain data", () => {
    const data = {
      revision: 3,
      sandboxes: [sandbox("a", 1)],
      routes: [route("r", "a", 1)],
      revoked: [{ tokenId: "t", expiresAt: 9 }],
      revokedSubjects: [{ subject: "s", issuedBefore: 7 }],
      apiKeys: [apiKey("h", 5)],
      signingKeys: [signingKey("k", null)],
      retiredLinkKeys: [{ keyId: "k" }],
      sessions: [session("s", 6)],
      roles: [role("ci")],
    };
    expect(contents(snapshotFrom(data))).toEqual({
      revision: 3,
      sandboxes: { a: sandbox("a", 1) },
      routes: { r: route("r", "a", 1) },
      revoked: { t: { expiresAt: 9 } },
      revokedSubjects: { s: { subject: "s", issuedBefore: 7 } },
      apiKeys: { h: apiKey("h", 5) },
      signingKeys: { k: signingKey("k", null) },
      retiredLinkKeys: { k: { keyId: "k" } },
      sessions: { s: session("s", 6) },
      roles: { ci: role("ci") },
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

  test("is the same again after it was plain data", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const snapshot = changes.reduce((before, one) => after(before, one), EMPTY);
        const data = snapshotData(snapshot);
        expect(contents(snapshotFrom(structuredClone(data)))).toEqual(contents(snapshot));
        expect(Object.keys(data)).toEqual(Object.keys(snapshot));
      }),
    );
  });

  test("names what a change takes away: exactly what others had to keep before it and need not after it", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), change, (changes, last) => {
        const before = changes.reduce((snapshot, one) => after(snapshot, one), EMPTY);
        const kept = new Set(held(after(before, last)).instances);
        const gone = held(before).instances.filter((id) => !kept.has(id));
        expect(dropped(before, last).instances.toSorted()).toEqual(gone.toSorted());
      }),
    );
  });

  test("leaves alone the nouns that a change is not about", () => {
    const before = snapshotFrom({ ...NO_STATE, sandboxes: [sandbox("a", 1)] });
    const revoked = after(before, { kind: "token.revoked", tokenId: "t", expiresAt: 1 });
    expect(revoked.sandboxes).toBe(before.sandboxes);
    expect(after(revoked, { kind: "sandbox.removed", sandboxId: "a" }).revoked).toBe(revoked.revoked);
  });
});
