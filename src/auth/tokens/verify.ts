import { compactVerify } from "jose/jws/compact/verify";
import { jwtVerify } from "jose/jwt/verify";
import type { Principal } from "../../domain/principal.ts";
import { isRoleName } from "../../domain/role/role.ts";
import type { SigningKeys, VerificationKey, VerificationKeys } from "../keys/verification-keys.ts";
import { expiryIn, issueIn, nameIn, narrowingIn } from "./claims.ts";
import { type Members, type ReadToken, readToken } from "./form.ts";
import { invalid, malformed, notVerified } from "./refusal.ts";

export interface TokenVerifierOptions {
  readonly keys: VerificationKeys;
  readonly issuer: string;
  readonly audience: string;
  /** How far the issuer's clock may be off. */
  readonly clockSkewMs: number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Turns a token that a key of ours has signed into the principal it speaks for. Keeps nothing: the caller caches. */
export class TokenVerifier {
  readonly #keys: VerificationKeys;
  readonly #issuer: string;
  readonly #audience: string;
  readonly #clockSkewMs: number;
  readonly #now: () => number;

  constructor({ keys, issuer, audience, clockSkewMs, now = Date.now }: TokenVerifierOptions) {
    this.#keys = keys;
    this.#issuer = issuer;
    this.#audience = audience;
    this.#clockSkewMs = clockSkewMs;
    this.#now = now;
  }

  /** @throws GatewayError AUTH_001; the details say why and never repeat the token. */
  async verify(token: string, { header, claims }: ReadToken, signingKeys: SigningKeys): Promise<Principal> {
    const key = this.#keyFor(header, signingKeys);
    await jwtVerify(token, await key.key(), {
      algorithms: [key.algorithm],
      issuer: this.#issuer,
      audience: this.#audience,
      clockTolerance: this.#clockSkewMs / 1000,
      currentDate: new Date(this.#now()),
      requiredClaims: ["sub", "jti", "exp", "role"],
    }).catch((error: unknown) => {
      throw notVerified(error);
    });
    return principalFrom(claims, key.id);
  }

  /** Whether a key of ours has signed the token, whatever it says and however old it is. */
  async signed(token: string, signingKeys: SigningKeys): Promise<boolean> {
    try {
      const key = this.#keyFor(readToken(token).header, signingKeys);
      await compactVerify(token, await key.key(), { algorithms: [key.algorithm] });
      return true;
    } catch {
      return false; // no token, or another's
    }
  }

  /** The key decides the algorithm, never the token; `kid` is an index into our own keys and nothing else. */
  #keyFor({ kid, alg }: Members, signingKeys: SigningKeys): VerificationKey {
    if (kid !== undefined && typeof kid !== "string") throw malformed();
    const key = this.#keys.find(kid, signingKeys);
    if (key === undefined)
      throw invalid(kid === undefined ? "Token names no key" : "Token was signed with an unknown key");
    if (alg !== key.algorithm) throw invalid("Algorithm is not allowed");
    return key;
  }
}

function principalFrom(claims: Members, keyId: string): Principal {
  const { role } = claims;
  const subject = nameIn(claims, "sub");
  const tokenId = nameIn(claims, "jti");
  if (!isRoleName(role)) throw invalid("Claim role is not valid");
  return {
    subject,
    role,
    credential: "token",
    tokenId,
    grantedBy: null,
    keyId,
    issuedAt: issueIn(claims),
    sandboxes: narrowingIn(claims, "sandboxes"),
    operations: narrowingIn(claims, "operations"),
    scope: null,
    expiresAt: expiryIn(claims),
  };
}
