import type { TokenRecord } from "../token.ts";

/** What the data path needs to know of an opaque key that is good. */
export interface ApiKey {
  /** HMAC-SHA-256 of the key under the data folder's own, hex: by it the key is found. */
  readonly hash: string;
  /** `tok_…` */
  readonly tokenId: string;
  readonly subject: string;
  readonly role: string;
  readonly sandboxes: readonly string[] | null;
  readonly operations: readonly string[] | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** What is kept of an opaque token, as the data path needs it. */
export function apiKeyOf(record: TokenRecord): ApiKey {
  const { hash, id, subject, role, sandboxes, operations, createdAt, expiresAt } = record;
  return { hash, tokenId: id, subject, role, sandboxes, operations, createdAt, expiresAt };
}

export interface ApiKeyChange {
  readonly kind: "api-key.created";
  readonly apiKey: ApiKey;
}
