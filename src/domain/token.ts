/** What is kept of a token. The token itself is shown once and never stored. */
export interface TokenRecord {
  /** `tok_…`, the token's `jti`. */
  readonly id: string;
  readonly subject: string;
  readonly role: string;
  readonly sandboxes: readonly string[] | null;
  readonly operations: readonly string[] | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
  /** HMAC-SHA-256 of the token under the data folder's own key, hex. */
  readonly hash: string;
  /** Signed: it carries what it may do. Opaque: an API key, which carries nothing. */
  readonly form: TokenForm;
  /** The beginning of an API key, by which people know it again; null for a signed token. */
  readonly prefix: string | null;
  /** When an API key was last used, to the minute; null = never, or nobody knows. */
  readonly lastUsedAt: number | null;
}

export type TokenForm = "signed" | "opaque";

/** The end of what has no end: the last second of the year 9999, since RFC 3339 has four digits for the year. */
export const NEVER = 253_402_300_799_000;

/** A token that was revoked before its time. */
export interface Revocation {
  /** Milliseconds since the epoch; see `lastRefusedExpiry` for when it may be forgotten. */
  readonly expiresAt: number;
}

export interface RevocationRow extends Revocation {
  readonly tokenId: string;
}

export interface RevocationChange extends RevocationRow {
  readonly kind: "token.revoked";
}

/** All that was issued to a subject before a moment (ms since the epoch) is revoked, whoever made it. */
export interface SubjectRevocation {
  readonly subject: string;
  readonly issuedBefore: number;
}

export interface SubjectRevocationChange extends SubjectRevocation {
  readonly kind: "subject.revoked";
}

/** When a credential was last used, as a data thread noticed. */
export interface Use {
  readonly tokenId: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/**
 * The latest expiry that is refused at `now`: a token is accepted while its expiry is later than this, and what is kept
 * because of a token (its revocation) is kept as long. Clocks may be off by `clockSkewMs`, and a token counts in whole
 * seconds, so `now` is rounded down to one (RFC 7519, 4.1.4; jose does the same). All in milliseconds.
 */
export function lastRefusedExpiry(now: number, clockSkewMs: number): number {
  return Math.floor(now / 1000) * 1000 - clockSkewMs;
}
