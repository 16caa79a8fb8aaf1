/** What is known of a provider's keys. */
export interface KeyDocument {
  /** Its JWK set as it was last had; null = never. */
  readonly text: string | null;
  /** How long ago that was, and how long ago it was last asked for, ms. */
  readonly ageMs: number;
  readonly askedMs: number;
  /** Why it could not be had the last time; null = it could. */
  readonly trouble: string | null;
}

/** Where the documents of providers come from, for all threads of a gateway. */
export interface KeySource {
  /** Never rejects for what the provider does, only when nobody can be asked to ask it. */
  readKeys(issuer: string): Promise<KeyDocument>;
}
