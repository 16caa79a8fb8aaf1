import type { RevocationChange } from "./snapshot/revocations.ts";
import type { SandboxChange } from "./snapshot/sandboxes.ts";

/**
 * One committed mutation, as the data path needs to know it. A change carries the new state whole, so applying it needs no
 * look-up. Each noun's changes are declared beside how they are applied.
 */
export type Change = SandboxChange | RevocationChange;

/** A change with its place in the order of all changes. */
export interface Revised {
  readonly revision: number;
  readonly change: Change;
}
