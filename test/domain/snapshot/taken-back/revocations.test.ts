import { expect, test } from "vitest";
import { revocations } from "../../../../src/domain/snapshot/taken-back/revocations.ts";

const ONE = revocations.from([{ tokenId: "t", expiresAt: 5 }]);

test("revocations are found by token id, and are plain data again as they were", () => {
  expect(ONE.get("t")).toEqual({ expiresAt: 5 });
  expect(revocations.rows(ONE)).toEqual([{ tokenId: "t", expiresAt: 5 }]);
});

test("a revocation comes with its change, and no other change is about revocations", () => {
  const two = revocations.apply(ONE, { kind: "token.revoked", tokenId: "u", expiresAt: 6 });
  expect([ONE.get("u"), two.get("u")]).toEqual([undefined, { expiresAt: 6 }]);
  expect(revocations.apply(two, { kind: "sandbox.removed", sandboxId: "t" })).toBe(two);
});

test("a revocation is forgotten when its token has expired, and where there is none to forget nothing changes", () => {
  const two = revocations.apply(ONE, { kind: "token.revoked", tokenId: "u", expiresAt: 6 });
  const forgotten = revocations.forget?.(two, 5);
  expect([forgotten?.get("t"), forgotten?.get("u"), forgotten?.size]).toEqual([undefined, { expiresAt: 6 }, 1]);
  expect(revocations.forget?.(two, 4)).toBe(two);
});
