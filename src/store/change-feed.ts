import type { Revised } from "../domain/change.ts";
import type { SnapshotData } from "../domain/snapshot.ts";
import type { Store } from "./store.ts";

const POLL_MS = 20;

/**
 * Tells of committed changes in order. It wakes up in two ways: `wake` after a commit of this process, and a poll of the
 * store's version for those of other processes (a connection is not told of its own commits, nor of anybody's by event;
 * the poll costs about a microsecond). When changes have been missed it hands out a whole snapshot instead.
 */
export class ChangeFeed {
  readonly #store: Pick<Store, "changes" | "dataVersion" | "snapshot">;
  readonly #onChanges: (changes: readonly Revised[]) => void;
  readonly #onResync: (snapshot: SnapshotData) => void;
  readonly #onError: (error: unknown) => void;
  #revision: number;
  #version: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    store: Pick<Store, "changes" | "dataVersion" | "snapshot">;
    /** Revision of the snapshot the subscriber already has. */
    revision: number;
    onChanges: (changes: readonly Revised[]) => void;
    onResync: (snapshot: SnapshotData) => void;
    /** The store could not be read; the next poll tries again. */
    onError: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#revision = options.revision;
    this.#onChanges = options.onChanges;
    this.#onResync = options.onResync;
    this.#onError = options.onError;
    this.#version = this.#store.dataVersion();
  }

  start(): void {
    // Whatever was committed between the snapshot and the first look at the version.
    this.wake();
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Looks for changes now. */
  wake(): void {
    try {
      const changes = this.#store.changes.since(this.#revision);
      if (changes === "resync") return this.resync();
      const last = changes.at(-1);
      if (last === undefined) return;
      this.#revision = last.revision;
      this.#onChanges(changes);
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Hands out a whole snapshot. */
  resync(): void {
    const snapshot = this.#store.snapshot(Date.now());
    this.#revision = snapshot.revision;
    this.#onResync(snapshot);
  }

  #poll(): void {
    try {
      const version = this.#store.dataVersion();
      if (version === this.#version) return;
      this.#version = version;
    } catch (error) {
      return this.#onError(error);
    }
    this.wake();
  }
}
