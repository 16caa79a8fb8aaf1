import { createHmac } from "node:crypto";
import { SignJWT } from "jose/jwt/sign";
import type { Principal } from "../../domain/principal.ts";
import type { Signer } from "../keys/signing.ts";

export interface IssueOptions {
  readonly principal: Pick<Principal, "subject" | "role" | "tokenId" | "sandboxes" | "operations">;
  readonly key: Signer;
  readonly issuer: string;
  readonly audience: string;
  /** Milliseconds since the epoch; a token knows whole seconds, so both are rounded down. */
  readonly expiresAt: number;
  readonly now: number;
  /** What the token says of when it was made; default: `now`. */
  readonly issuedAt?: number;
}

/** Signs a token for `principal` (RFC 7519, compact form). */
export function issueToken({
  principal,
  key,
  issuer,
  audience,
  expiresAt,
  now,
  issuedAt = now,
}: IssueOptions): Promise<string> {
  const { role, sandboxes, operations } = principal;
  return new SignJWT({ role, ...(sandboxes && { sandboxes }), ...(operations && { operations }) })
    .setProtectedHeader({ alg: key.algorithm, kid: key.id, typ: "JWT" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(principal.subject)
    .setJti(principal.tokenId)
    .setIssuedAt(seconds(issuedAt))
    .setNotBefore(seconds(now))
    .setExpirationTime(seconds(expiresAt))
    .sign(key.key);
}

/** What is stored instead of a token: HMAC-SHA-256, hex. */
export function tokenHash(key: Uint8Array, token: string): string {
  return createHmac("sha256", key).update(token).digest("hex");
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
