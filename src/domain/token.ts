import type { Role } from "./role.ts";

/** What is kept of a token. The token itself is shown once and never stored. */
export interface TokenRecord {
  /** `tok_…`, the token's `jti`. */
  readonly id: string;
  readonly subject: string;
  readonly role: Role;
  readonly sandboxes: readonly string[] | null;
  readonly operations: readonly string[] | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
  /** HMAC-SHA-256 of the token under the data folder's own key, hex. */
  readonly hash: string;
}
