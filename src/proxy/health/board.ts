import { INSTANCE_STATES, type InstanceStateName } from "../../domain/instance-state.ts";
import type { Instance } from "../../domain/sandbox.ts";
import { type Experience, stateAfter } from "./verdict.ts";

/** Words about instances in shared memory, by `instance.number % size`. */
export interface BoardWords {
  readonly state: Int32Array;
  readonly inFlight: readonly Int32Array[];
  readonly size: number;
}

/** What a dispatch tells the board, and asks of it. */
export interface InstanceBoard {
  state(instance: Instance): InstanceStateName;
  /** Requests an instance is working on. */
  inFlight(instance: Instance): number;
  /** An attempt has been through this with an instance: the state follows. */
  report(instance: Instance, experience: Experience): void;
  claim(instance: Instance): void;
  release(instance: Instance): void;
}

/** What all threads know of the instances: whether they could be reached, and how many requests they are working on. */
export class SharedBoard implements InstanceBoard {
  readonly #words: BoardWords;
  readonly #lane: Int32Array | undefined;

  /** `thread`: whose claims are counted; leave it out to only look. */
  constructor(options: { words: BoardWords; thread?: number }) {
    this.#words = options.words;
    this.#lane = options.thread === undefined ? undefined : options.words.inFlight[options.thread];
  }

  state(instance: Instance): InstanceStateName {
    return INSTANCE_STATES[Atomics.load(this.#words.state, this.#index(instance))] ?? "unknown";
  }

  set(instance: Instance, state: InstanceStateName): void {
    const word = INSTANCE_STATES.indexOf(state);
    const index = this.#index(instance);
    // Looking first keeps the cache line shared: the state hardly ever changes.
    if (Atomics.load(this.#words.state, index) !== word) Atomics.store(this.#words.state, index, word);
  }

  report(instance: Instance, experience: Experience): void {
    const now = this.state(instance);
    const next = stateAfter(now, experience);
    if (next !== now) this.set(instance, next);
  }

  claim(instance: Instance): void {
    if (this.#lane !== undefined) Atomics.add(this.#lane, this.#index(instance), 1);
  }

  release(instance: Instance): void {
    if (this.#lane !== undefined) Atomics.sub(this.#lane, this.#index(instance), 1);
  }

  inFlight(instance: Instance): number {
    const index = this.#index(instance);
    return this.#words.inFlight.reduce((sum, lane) => sum + Atomics.load(lane, index), 0);
  }

  #index(instance: Instance): number {
    return instance.number % this.#words.size;
  }
}
