import type { Instance } from "../../domain/sandbox.ts";

/**
 * How a sandbox stands whose instances are checked.
 * - `fine`: those that are down are left out.
 * - `panic`: so few are well that they would not bear what all of them bore: all are used, well or not.
 * - `down`: the checks say that none is left.
 */
export type Outlook = "fine" | "panic" | "down";

/** What an outlook is taken from. */
export interface OutlookBoard {
  /** Whether the checks say that it is down. */
  isDown(instance: Instance): boolean;
  /** Whether its circuit would let a call pass. */
  admits(instance: Instance): boolean;
}

/** The outlook of these instances. `threshold`: percent of them that has to be well, or it is panic; 0 = never. */
export function outlookOf(instances: readonly Instance[], threshold: number, board: OutlookBoard): Outlook {
  let offered = 0;
  let down = 0;
  let well = 0;
  for (const instance of instances) {
    if (!isOffered(instance)) continue;
    offered += 1;
    if (board.isDown(instance)) down += 1;
    else if (board.admits(instance)) well += 1;
  }
  if (down === 0) return "fine"; // circuits leave half of them in use by themselves
  if (down === offered) return "down";
  return well * 100 < offered * threshold ? "panic" : "fine";
}

/** Gets new requests, as far as people say. */
export function isOffered({ draining, tripped }: Instance): boolean {
  return !draining && !tripped;
}
