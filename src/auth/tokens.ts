import { createHmac } from "node:crypto";
import { compactVerify } from "jose/jws/compact/verify";
import { SignJWT } from "jose/jwt/sign";
import { jwtVerify } from "jose/jwt/verify";
import type { Principal } from "../domain/principal.ts";
import { isRole } from "../domain/role.ts";
import { GatewayError } from "../errors.ts";
import type { Signer } from "./keys/signing.ts";
import type { SigningKeys, VerificationKey, VerificationKeys } from "./keys/verification-keys.ts";

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

export interface TokenVerifierOptions {
  readonly keys: VerificationKeys;
  readonly issuer: string;
  readonly audience: string;
  /** How far the issuer's clock may be off. */
  readonly clockSkewMs: number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

const MAX_TOKEN = 8 * 1024;
const MAX_TEXT = 256;
/** The last millisecond a Date can hold. */
const LAST_TIME = 8.64e15;

/** Turns a token into the principal it speaks for. Keeps nothing: the caller caches. */
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
  async verify(token: string, signingKeys: SigningKeys): Promise<Principal> {
    const key = this.#keyFor(readHeader(token), signingKeys);
    const { payload } = await jwtVerify(token, await key.key(), {
      algorithms: [key.algorithm],
      issuer: this.#issuer,
      audience: this.#audience,
      clockTolerance: this.#clockSkewMs / 1000,
      currentDate: new Date(this.#now()),
      requiredClaims: ["sub", "jti", "exp", "role"],
    }).catch((error: unknown) => {
      throw invalid(reasonOf(error), error);
    });
    return principalFrom(payload, key.id);
  }

  /** Whether a key of ours has signed the token, whatever it says and however old it is. */
  async signed(token: string, signingKeys: SigningKeys): Promise<boolean> {
    try {
      const key = this.#keyFor(readHeader(token), signingKeys);
      await compactVerify(token, await key.key(), { algorithms: [key.algorithm] });
      return true;
    } catch {
      return false; // no token, or another's
    }
  }

  /** The key decides the algorithm, never the token; `kid` is an index into our own keys and nothing else. */
  #keyFor(header: Readonly<Record<string, unknown>>, signingKeys: SigningKeys): VerificationKey {
    const { kid, alg } = header;
    if (kid !== undefined && typeof kid !== "string") throw malformed();
    const key = this.#keys.find(kid, signingKeys);
    if (key === undefined)
      throw invalid(kid === undefined ? "Token names no key" : "Token was signed with an unknown key");
    if (alg !== key.algorithm) throw invalid("Algorithm is not allowed");
    return key;
  }
}

// Parameters that bring a key along, or change what the others mean (RFC 7515, 4.1; RFC 7797).
const REFUSED_PARAMETERS = ["crit", "b64", "zip", "jku", "jwk", "x5u", "x5c"];
const ACCEPTED_TYPES = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/** The header of a well-formed token. Everything is checked that a lenient decoder would forgive. */
function readHeader(token: string): Readonly<Record<string, unknown>> {
  if (token.length > MAX_TOKEN) throw invalid("Token is too large");
  const parts = token.split(".", 4);
  if (parts.length !== 3 || !parts.every(isStrictBase64url)) throw malformed();
  const header = parseObject(Buffer.from(parts[0] ?? "", "base64url"));
  const refused = REFUSED_PARAMETERS.find((name) => Object.hasOwn(header, name));
  if (refused !== undefined) throw invalid(`Header parameter ${refused} is not allowed`);
  const { typ } = header;
  if (typ !== undefined && !(typeof typ === "string" && ACCEPTED_TYPES.includes(typ.toLowerCase()))) {
    throw invalid("Token is of another type");
  }
  return header;
}

const BASE64URL = /^[A-Za-z0-9_-]+$/;
/** Last characters whose unused bits are zero, by the length's remainder modulo 4. Others decode to the same bytes. */
const LAST_CHARACTER = [/./, undefined, /[AQgw]$/, /[AEIMQUYcgkosw048]$/];

function isStrictBase64url(text: string): boolean {
  return BASE64URL.test(text) && (LAST_CHARACTER[text.length % 4]?.test(text) ?? false);
}

function parseObject(bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    if (isRecord(value)) return value;
  } catch {
    // Not text, or not JSON: reported below.
  }
  throw malformed();
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function principalFrom(claims: Readonly<Record<string, unknown>>, keyId: string): Principal {
  const { sub, jti, iat, exp, role, sandboxes, operations } = claims;
  if (!isName(sub)) throw invalid("Claim sub is not valid");
  if (!isName(jti)) throw invalid("Claim jti is not valid");
  if (!isRole(role)) throw invalid("Claim role is not valid");
  const expiresAt = typeof exp === "number" ? Math.floor(exp * 1000) : Number.NaN;
  if (!(expiresAt > 0 && expiresAt <= LAST_TIME)) throw invalid("Claim exp is not valid");
  return {
    subject: sub,
    role,
    credential: "token",
    tokenId: jti,
    grantedBy: null,
    keyId,
    // One that does not say when it was made is as old as can be: what takes back older ones takes it back.
    issuedAt: typeof iat === "number" && Number.isFinite(iat) ? Math.floor(iat * 1000) : 0,
    sandboxes: narrowing("sandboxes", sandboxes),
    operations: narrowing("operations", operations),
    scope: null,
    expiresAt,
  };
}

/** Absent means "all". Anything but a list of names is refused: a typing mistake must not widen a token. */
function narrowing(claim: string, value: unknown): readonly string[] | null {
  if (value === undefined) return null;
  if (Array.isArray(value) && value.every(isName)) return value;
  throw invalid(`Claim ${claim} is not valid`);
}

/** Short, and without control characters: it goes into logs and tables. */
function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_TEXT && !/\p{Cc}/u.test(value);
}

const TIME_AND_PLACE: Readonly<Record<string, string>> = {
  iss: "Wrong issuer",
  aud: "Wrong audience",
  nbf: "Token is not valid yet",
};

/** jose's errors are a tagged union; `claim` and `reason` are set on those about claims. */
function reasonOf(error: unknown): string {
  if (!isRecord(error)) return "Token is malformed";
  const { code, claim, reason } = error;
  if (code === "ERR_JWT_EXPIRED") return "Token has expired";
  if (code === "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") return "Signature does not match";
  if (code !== "ERR_JWT_CLAIM_VALIDATION_FAILED" || typeof claim !== "string") return "Token is malformed";
  if (reason === "missing") return `Claim ${claim} is missing`;
  return (reason === "check_failed" ? TIME_AND_PLACE[claim] : undefined) ?? `Claim ${claim} is not valid`;
}

function malformed(): GatewayError {
  return invalid("Token is malformed");
}

function invalid(details: string, cause?: unknown): GatewayError {
  const reason = isRecord(cause) && cause["code"] === "ERR_JWT_EXPIRED" ? "expired" : undefined;
  return new GatewayError("AUTH_001", { details, reason, cause });
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
