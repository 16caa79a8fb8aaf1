import type { Sandbox } from "./sandbox.ts";

/** One committed mutation, as the data path needs to know it. A change carries the new state whole, so applying it needs no look-up. */
export type Change =
  | { readonly kind: "sandbox.put"; readonly sandbox: Sandbox }
  | { readonly kind: "sandbox.removed"; readonly sandboxId: string }
  /** `expiresAt`: milliseconds since the epoch; see `lastRefusedExpiry` for when the entry may be forgotten. */
  | { readonly kind: "token.revoked"; readonly tokenId: string; readonly expiresAt: number };

/** A change with its place in the order of all changes. */
export interface Revised {
  readonly revision: number;
  readonly change: Change;
}
