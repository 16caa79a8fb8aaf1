import type { Change } from "../change.ts";
import type { LayeredMap } from "./layered-map.ts";

/** What somebody outside keeps things about (connections, counts), and must let go of when it goes. */
export interface Held {
  /** Ids. */
  readonly instances: readonly string[];
}

/** How one noun stands in the snapshot: how it enters, takes a change, leaves. `Row` is its form as plain data. */
export interface Projection<Row, Value extends object> {
  from(rows: readonly Row[]): LayeredMap<Value>;
  /** The reverse of `from`. */
  rows(map: LayeredMap<Value>): Row[];
  /** The map after a change; the very same one when the change is none of this noun's. */
  apply(map: LayeredMap<Value>, change: Change): LayeredMap<Value>;
  /** What a change takes away; `map` is the one before it. */
  dropped(map: LayeredMap<Value>, change: Change): Held;
  /** All of it that there is. */
  held(map: LayeredMap<Value>): Held;
}

export const NOTHING_HELD: Held = { instances: [] };
