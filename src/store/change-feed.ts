import type { Revised } from "../domain/change.ts";
import type { SnapshotData } from "../domain/snapshot/snapshot.ts";
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
  /** The store's version up to which everything has been handed out; undefined after a failure, so that it is tried again. */
  #version: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    store: Pick<Store, "changes" | "dataVersion" | "snapshot">;
    /** Revision of the snapshot the subscriber already has. */
    revision: number;
    onChanges: (changes: readonly Revised[]) => void;
    onResync: (snapshot: SnapshotData) => void;
    /** The store could not be read, or a subscriber failed. The next poll tries again; told once until that works. */
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
    this.#attempt(() => this.#handOut());
  }

  /** Hands out a whole snapshot. */
  resync(): void {
    this.#attempt(() => this.#handOutAll());
  }

  #poll(): void {
    this.#attempt(() => {
      const version = this.#store.dataVersion();
      if (version === this.#version) return;
      this.#handOut();
      this.#version = version;
    });
  }

  #handOut(): void {
    const changes = this.#store.changes.since(this.#revision);
    if (changes === "resync") return this.#handOutAll();
    const last = changes.at(-1);
    if (last === undefined) return;
    this.#onChanges(changes);
    this.#revision = last.revision;
  }

  #handOutAll(): void {
    const snapshot = this.#store.snapshot(Date.now());
    this.#onResync(snapshot);
    this.#revision = snapshot.revision;
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      const isNews = this.#version !== undefined;
      this.#version = undefined;
      if (isNews) this.#onError(error);
    }
  }
}
