import type { Principal } from "../../src/domain/principal.ts";

/** Somebody with a token that never ends and is narrowed to nothing. */
export const SOMEBODY: Principal = {
  subject: "agent-1",
  role: "executor",
  credential: "token",
  tokenId: "tok_1",
  grantedBy: null,
  keyId: null,
  issuedAt: 0,
  sandboxes: null,
  operations: null,
  scope: null,
  expiresAt: Number.POSITIVE_INFINITY,
};
