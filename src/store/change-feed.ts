import type { Revised } from "../domain/change.ts";
import type { SnapshotData } from "../domain/snapshot/snapshot.ts";
import type { StateStore } from "./store.ts";

const POLL_MS = 20;

/**
 * Tells of committed changes in order. It wakes up in two ways: `wake` after a commit of this process, and a poll of the
 * store's version for those of other processes (a connection is not told of its own commits, nor of anybody's by event;
 * the poll costs a few microseconds). When changes have been missed it hands out a whole snapshot instead.
 * It does one thing at a time: however slow the store is, nothing is handed out twice or out of order.
 */
export class ChangeFeed {
  readonly #store: Pick<StateStore, "changes" | "dataVersion">;
  readonly #snapshot: () => Promise<SnapshotData>;
  readonly #onChanges: (changes: readonly Revised[]) => void;
  readonly #onResync: (snapshot: SnapshotData) => void;
  readonly #onError: (error: unknown) => void;
  #revision: number;
  /** The store's version up to which everything has been handed out; undefined before the first look and after a failure. */
  #version: number | undefined;
  #failing = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Settled when all that has been asked for so far is done. */
  #done: Promise<void> = Promise.resolve();
  /** How much of that is still to do. */
  #pending = 0;

  constructor(options: {
    store: Pick<StateStore, "changes" | "dataVersion">;
    /** The current state of the store. */
    snapshot: () => Promise<SnapshotData>;
    /** Revision of the snapshot the subscriber already has. */
    revision: number;
    onChanges: (changes: readonly Revised[]) => void;
    onResync: (snapshot: SnapshotData) => void;
    /** The store could not be read, or a subscriber failed. The next poll tries again; told once until that works. */
    onError: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#snapshot = options.snapshot;
    this.#revision = options.revision;
    this.#onChanges = options.onChanges;
    this.#onResync = options.onResync;
    this.#onError = options.onError;
  }

  /** Resolves when whatever was committed since the subscriber's snapshot has been handed out. */
  start(): Promise<void> {
    this.#timer = setInterval(() => {
      if (this.#pending === 0) void this.#enqueue(() => this.#poll());
    }, POLL_MS);
    return this.#enqueue(() => this.#poll());
  }

  /** Nothing is handed out any more. Resolves when the store is no longer read. */
  stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped = true;
    return this.#done;
  }

  /** Looks for changes now. Resolves when everything committed before the call has been handed out, or told as an error. */
  wake(): Promise<void> {
    return this.#enqueue(() => this.#handOut());
  }

  /** Hands out a whole snapshot. Resolves when it has been, or the error was told. */
  resync(): Promise<void> {
    return this.#enqueue(() => this.#handOutAll());
  }

  /** The version is asked for first: what is committed while the changes are read makes another one. */
  async #poll(): Promise<void> {
    const version = await this.#store.dataVersion();
    if (version === this.#version) return;
    await this.#handOut();
    this.#version = version;
  }

  async #handOut(): Promise<void> {
    const changes = await this.#store.changes.since(this.#revision);
    if (changes === "resync") return this.#handOutAll();
    const last = changes.at(-1);
    if (last === undefined || this.#stopped) return;
    this.#onChanges(changes);
    this.#revision = last.revision;
  }

  async #handOutAll(): Promise<void> {
    const snapshot = await this.#snapshot();
    if (this.#stopped) return;
    this.#onResync(snapshot);
    this.#revision = snapshot.revision;
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#pending += 1;
    this.#done = this.#done.then(() => this.#attempt(work));
    return this.#done;
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      if (this.#stopped) return;
      await work();
      this.#failing = false;
    } catch (error) {
      this.#version = undefined;
      if (!this.#failing && !this.#stopped) this.#onError(error);
      this.#failing = true;
    } finally {
      this.#pending -= 1;
    }
  }
}
