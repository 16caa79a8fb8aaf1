/** The algorithms a token of ours can be signed with (RFC 7518, RFC 8037). The algorithm belongs to the key: a token cannot choose another. */
export const SIGNING_ALGORITHMS = ["HS256", "EdDSA", "ES256", "RS256"] as const;
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** A public key by its members (RFC 7517), those alone that verifying needs. */
export type PublicJwk = Readonly<Record<string, string>>;

/** A key tokens are signed with. */
export interface SigningKey {
  /** The `kid` of the tokens it signs: an index, and nothing else. */
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Up to when its tokens are good, milliseconds since the epoch; null = it signs. */
  readonly retiresAt: number | null;
  /** When that came, or was made to come; null = its tokens are good. */
  readonly retiredAt: number | null;
  /** null: it is a shared secret. */
  readonly publicJwk: PublicJwk | null;
  /** The private half or the shared secret, sealed, in base64. null: destroyed, or not for who reads this. */
  readonly sealed: string | null;
}

/** Active: it signs and verifies. Verifying: what it has signed is good for a while. Retired: no more. */
export type SigningKeyState = "active" | "verifying" | "retired";

/** Its state has changed, or it is new. `signingKey` is the part that verifies. */
export interface SigningKeyChange {
  readonly kind: "signing-key.changed";
  readonly signingKey: SigningKey;
}

/** `now`: milliseconds since the epoch. */
export function signingKeyState({ retiresAt, retiredAt }: SigningKey, now: number): SigningKeyState {
  if (retiredAt !== null) return "retired";
  if (retiresAt === null) return "active";
  return retiresAt > now ? "verifying" : "retired";
}

/** Whether it has verified as long as it should and is not retired yet. */
export function isOverlapOver({ retiresAt, retiredAt }: SigningKey, now: number): boolean {
  return retiredAt === null && retiresAt !== null && retiresAt <= now;
}

/** A key as the data path has it: without the private half, where there is a public one. */
export function verifyingPart(key: SigningKey): SigningKey {
  return key.publicJwk === null ? key : { ...key, sealed: null };
}
