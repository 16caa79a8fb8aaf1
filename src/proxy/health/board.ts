import type { InstanceStateName } from "../../domain/instance-state.ts";
import type { Instance } from "../../domain/sandbox.ts";
import { isOwnedBy, stateIn, stateWord } from "./state-word.ts";
import { type Experience, stateAfter } from "./verdict.ts";

/** Words about instances in shared memory, by `instance.place`. */
export interface BoardWords {
  /** Whose place it is and in which state that instance is; see state-word.ts. */
  readonly state: Int32Array;
  readonly inFlight: readonly Int32Array[];
}

/** What a dispatch tells the board, and asks of it. */
export interface InstanceBoard {
  state(instance: Instance): InstanceStateName;
  /** Requests an instance is working on. */
  inFlight(instance: Instance): number;
  /** An attempt has been through this with an instance: the state follows. */
  report(instance: Instance, experience: Experience): void;
  /** Counts a request in. False when the instance has no place, or none any more: then there is nothing to release. */
  claim(instance: Instance): boolean;
  release(instance: Instance): void;
}

/**
 * What all threads know of the instances: whether they could be reached, and how many requests they are working on. An
 * instance that has gone is unknown, whatever is at its place now; and nothing is written there in its name.
 */
export class SharedBoard implements InstanceBoard {
  readonly #states: Int32Array;
  readonly #lanes: readonly Int32Array[];
  readonly #lane: Int32Array | undefined;

  /** `thread`: whose claims are counted; leave it out to only look. */
  constructor(options: { words: BoardWords; thread?: number }) {
    this.#states = options.words.state;
    this.#lanes = options.words.inFlight;
    this.#lane = options.thread === undefined ? undefined : options.words.inFlight[options.thread];
  }

  state(instance: Instance): InstanceStateName {
    if (instance.place === undefined) return "unknown";
    const word = Atomics.load(this.#states, instance.place);
    return isOwnedBy(word, instance) ? stateIn(word) : "unknown";
  }

  set(instance: Instance, state: InstanceStateName): void {
    while (!this.#move(instance, this.state(instance), state));
  }

  report(instance: Instance, experience: Experience): void {
    let now = this.state(instance);
    while (!this.#move(instance, now, stateAfter(now, experience))) now = this.state(instance);
  }

  claim(instance: Instance): boolean {
    const { place } = instance;
    if (this.#lane === undefined || place === undefined) return false;
    Atomics.add(this.#lane, place, 1);
    // Counted first, then looked: whoever gives the place to another does it the other way round.
    if (isOwnedBy(Atomics.load(this.#states, place), instance)) return true;
    Atomics.sub(this.#lane, place, 1);
    return false;
  }

  release({ place }: Instance): void {
    if (this.#lane !== undefined && place !== undefined) Atomics.sub(this.#lane, place, 1);
  }

  inFlight(instance: Instance): number {
    const { place } = instance;
    if (place === undefined || !isOwnedBy(Atomics.load(this.#states, place), instance)) return 0;
    return this.#lanes.reduce((sum, lane) => sum + Atomics.load(lane, place), 0);
  }

  /** The one function that writes a state. False when another thread was faster: then `from` is not true any more. */
  #move(instance: Instance, from: InstanceStateName, to: InstanceStateName): boolean {
    const { place } = instance;
    // Nothing is written that is there already: it keeps the cache line shared, and the state hardly ever changes.
    if (place === undefined || from === to) return true;
    const expected = stateWord(instance, from);
    const seen = Atomics.compareExchange(this.#states, place, expected, stateWord(instance, to));
    return seen === expected || !isOwnedBy(seen, instance);
  }
}
