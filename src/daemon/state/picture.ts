import type { Revised } from "../../domain/change.ts";
import {
  applyChange,
  type Extent,
  extentOf,
  forgetExpired,
  type Snapshot,
  type SnapshotData,
  snapshotData,
  snapshotFrom,
} from "../../domain/snapshot/snapshot.ts";
import type { Places } from "../shared-memory/places.ts";

/** The state as the data threads have it, every instance with its place in shared memory: the control thread's own copy. */
export class Picture {
  readonly #places: Places;
  #snapshot: Snapshot;

  constructor(options: { places: Places; initial: SnapshotData }) {
    this.#places = options.places;
    this.#snapshot = snapshotFrom(options.places.replace(options.initial));
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** For a thread that starts now: it needs no store, so it starts even while that cannot be read. */
  get data(): SnapshotData {
    return snapshotData(this.#snapshot);
  }

  /** Takes committed changes over and returns them as the data threads get them. */
  apply(committed: readonly Revised[]): readonly Revised[] {
    const changes = committed.map((revised) => this.#places.apply(revised));
    for (const revised of changes) this.#snapshot = applyChange(this.#snapshot, revised);
    return changes;
  }

  /** Forgets what expired by then (ms since the epoch). Returns how much there is of everything now. */
  forgetExpired(expiredBy: number): Extent {
    this.#snapshot = forgetExpired(this.#snapshot, expiredBy);
    return extentOf(this.#snapshot);
  }

  /** Takes a whole snapshot over and returns it as the data threads get it. */
  replace(committed: SnapshotData): SnapshotData {
    const whole = this.#places.replace(committed);
    this.#snapshot = snapshotFrom(whole);
    return whole;
  }
}
