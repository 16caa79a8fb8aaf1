import type { Change } from "../change.ts";

/** What somebody outside keeps things about (connections, counts), and must let go of when it goes. */
export interface Held {
  /** Ids. */
  readonly instances: readonly string[];
}

export interface Sized {
  readonly size: number;
}

/**
 * How one noun stands in the snapshot: how it enters, takes a change, leaves. `Row` is its form as plain data, `Map` what it
 * is looked up in, which is never edited.
 */
export interface Projection<Row, Map extends Sized> {
  from(rows: readonly Row[]): Map;
  /** The reverse of `from`. */
  rows(map: Map): Row[];
  /** The map after a change; the very same one when the change is none of this noun's. */
  apply(map: Map, change: Change): Map;
  /** What a change takes away; `map` is the one before it. */
  dropped(map: Map, change: Change): Held;
  /** The map without what expired by then (ms since the epoch) and nobody can need any more; the very same one when there is none. */
  forget?(map: Map, expiredBy: number): Map;
  /** All of it that there is. */
  held(map: Map): Held;
}

export const NOTHING_HELD: Held = { instances: [] };
