/** Whom limits are counted for: a caller, an address (an IPv6 /64 is one), a sandbox. */
export type LimitHolder = "subject" | "address" | "sandbox";

/** What somebody has used of all limits is forgotten, and an address is not locked out any more. */
export interface LimitChange {
  readonly kind: "limit.reset";
  readonly of: LimitHolder;
  /** An address as it is limited: itself, or the four groups of its /64. */
  readonly name: string;
}
