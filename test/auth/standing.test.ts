import { expect, test } from "vitest";
import { Standing } from "../../src/auth/standing.ts";
import { withoutCredential } from "../../src/domain/principal.ts";
import { snapshotFrom, type SnapshotData } from "../../src/domain/snapshot/snapshot.ts";
import { SOMEBODY } from "../support/principal.ts";
import { NO_STATE } from "../support/snapshot.ts";

let revision = 0;
const state = (fields: Partial<SnapshotData> = {}) => {
  revision += 1;
  return snapshotFrom({ ...NO_STATE, ...fields, revision });
};
const REVOKED = { code: "AUTH_001", details: "Token has been revoked", reason: "revoked" };
const refusal = (fields: Partial<typeof SOMEBODY>, data: Partial<SnapshotData>): unknown => {
  try {
    new Standing({ ...SOMEBODY, issuedAt: 1000, ...fields }).check(state(data));
    return undefined;
  } catch (error) {
    return error;
  }
};
const revoked = (tokenId: string) => ({ revoked: [{ tokenId, expiresAt: 9 }] });
const retiredKey = (id: string) => ({
  signingKeys: [
    { id, algorithm: "HS256", createdAt: 1, retiresAt: 2, retiredAt: 2, publicJwk: null, sealed: null } as const,
  ],
});
const issuedBefore = (moment: number) => ({ revokedSubjects: [{ subject: "agent-1", issuedBefore: moment }] });

test.each([
  ["its own id is revoked", {}, revoked("tok_1")],
  ["the token is revoked that it was made from", { tokenId: "ses_1", grantedBy: "tok_1" }, revoked("tok_1")],
  ["its subject is revoked later than it was issued", {}, issuedBefore(1001)],
  ["the key that signed it is retired", { keyId: "kid_1" }, retiredKey("kid_1")],
  ["its subject is revoked and it does not say when it was issued", { issuedAt: 0 }, issuedBefore(1)],
])("a principal stands no more when %s", (_why, fields, data) => {
  expect(refusal(fields, data)).toMatchObject(REVOKED);
});

test.each([
  ["nothing is revoked", {}, {}],
  ["another token is revoked", {}, revoked("tok_2")],
  ["it was issued in the moment of its subject's revocation", {}, issuedBefore(1000)],
  ["another key is retired", { keyId: "kid_2" }, retiredKey("kid_1")],
  ["no key of ours has signed it", { keyId: null }, retiredKey("kid_1")],
  ["another subject is revoked", { subject: "agent-2" }, issuedBefore(9999)],
])("a principal stands when %s", (_why, fields, data) => {
  expect(refusal(fields, data)).toBeUndefined();
});

test("who needs no credential cannot lose it, whatever is revoked under that name", () => {
  const anonymous = new Standing(withoutCredential("agent-1", "executor"));
  expect(() => anonymous.check(state({ ...issuedBefore(9999), ...revoked("") }))).not.toThrow();
});

test("the answer holds for the state it was given in, and is given anew for every other", () => {
  const standing = new Standing(SOMEBODY);
  const before = state();
  standing.check(before);
  standing.check(before);
  const after = state(revoked("tok_1"));
  expect(() => standing.check(after)).toThrow(expect.objectContaining(REVOKED));
  expect(() => standing.check(after)).toThrow(expect.objectContaining(REVOKED));
  expect(() => standing.check(before)).not.toThrow();
});
