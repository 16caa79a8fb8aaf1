import * as fc from "fast-check";
import { expect, test } from "vitest";
import { secretSigner } from "../../src/auth/keys/signing.ts";
import { issueToken } from "../../src/auth/tokens/issue.ts";
import { lastRefusedExpiry } from "../../src/domain/token.ts";
import { storedKey, verifierWith } from "../support/signing-keys.ts";

const KEY = secretSigner(new Uint8Array(32));
const STORED = [storedKey(KEY)];
const principal = { subject: "s", role: "viewer", tokenId: "t", sandboxes: null, operations: null } as const;

test("a token is refused from the very millisecond on at which what was kept because of it may be forgotten", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1_000, max: 100_000 }),
      fc.integer({ min: 0, max: 3_000 }),
      fc.integer({ min: -2_500, max: 2_500 }),
      async (expiry, clockSkewMs, offset) => {
        const expiresAt = expiry * 1000;
        const now = expiresAt + clockSkewMs + offset;
        const issued = { principal, key: KEY, issuer: "i", audience: "a", expiresAt, now: 0 };
        const token = await issueToken(issued);
        const verifier = verifierWith({ keys: STORED, issuer: "i", audience: "a", clockSkewMs, now: () => now });
        const accepted = await verifier.verify(token).then(
          () => true,
          () => false,
        );
        expect(accepted).toBe(expiresAt > lastRefusedExpiry(now, clockSkewMs));
      },
    ),
  );
});
