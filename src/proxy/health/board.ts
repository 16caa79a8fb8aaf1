import type { HealthState } from "../../domain/instance/health.ts";
import type { InstanceStateName } from "../../domain/instance/state.ts";
import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import type { Circuit } from "./circuit-word.ts";
import {
  type CircuitLimits,
  Circuits,
  type CircuitWords,
  isProbe,
  monotonicTicks,
  REFUSED,
  type Ticket,
} from "./circuits.ts";
import { type HealthWords, healthAt, isDownAt, setHealth, wellForMs } from "./health-words.ts";
import { isOwnedBy, stateIn, stateWord } from "./state-word.ts";
import { type Experience, isFailure, stateAfter } from "./verdict.ts";

/** Words about instances in shared memory, by `instance.place`. */
export interface BoardWords {
  /** Whose place it is and in which state that instance is; see state-word.ts. */
  readonly state: Int32Array;
  readonly inFlight: readonly Int32Array[];
  readonly circuits: CircuitWords;
  readonly health: HealthWords;
}

/**
 * What an attempt holds of its instance until it is released: a circuit's ticket, or UNTRACKED when the instance has no
 * place. REFUSED: nothing, for it must not go there.
 */
export type Claim = Ticket;
export const UNTRACKED: Claim = -2;
export { isProbe, REFUSED };

/** What a dispatch tells the board, and asks of it. */
export interface InstanceBoard {
  /** What is known of it, by the health checks where there are any and by traffic. */
  state(instance: Instance): InstanceStateName;
  /** Requests an instance is working on. */
  inFlight(instance: Instance): number;
  /** Whether its circuit would let a call pass. */
  admits(instance: Instance): boolean;
  /** Whether the health checks say that it is down. */
  isDown(instance: Instance): boolean;
  /** Milliseconds since it could be used again after it could not, or since it was added. */
  wellForMs(instance: Instance): number;
  /** Counts a request in, if the circuit lets it pass and no more than `most` are in flight then; 0 = any number. */
  claim(instance: Instance, most: number): Claim;
  /** The attempt that holds the claim has been through this with the instance: state and circuit follow. */
  report(sandbox: Sandbox, instance: Instance, claim: Claim, experience: Experience): void;
  release(instance: Instance, claim: Claim): void;
}

/**
 * What all threads know of the instances: whether they could be reached, and how many requests they are working on. An
 * instance that has gone is unknown, whatever is at its place now; and nothing is written there in its name.
 */
export class SharedBoard implements InstanceBoard {
  readonly #states: Int32Array;
  readonly #lanes: readonly Int32Array[];
  readonly #lane: Int32Array | undefined;
  readonly #circuits: Circuits;
  readonly #health: HealthWords;

  /** `thread`: whose claims are counted; leave it out to only look. */
  constructor(options: { words: BoardWords; thread?: number; circuits: CircuitLimits }) {
    const { words, thread } = options;
    this.#circuits = new Circuits({
      words: words.circuits,
      limits: options.circuits,
      ...(thread !== undefined && { thread }),
    });
    this.#states = words.state;
    this.#health = words.health;
    this.#lanes = words.inFlight;
    this.#lane = thread === undefined ? undefined : words.inFlight[thread];
  }

  state(instance: Instance): InstanceStateName {
    const reached = this.#reached(instance);
    if (reached === "starting") return reached;
    const health = this.health(instance);
    return health === "unchecked" ? reached : health === "well" ? "up" : "down";
  }

  set(instance: Instance, state: InstanceStateName): void {
    while (!this.#move(instance, this.#reached(instance), state));
  }

  isDown({ place }: Instance): boolean {
    return place !== undefined && isDownAt(this.#health, place);
  }

  /** What the health checks say of it. */
  health(instance: Instance): HealthState {
    const { place } = instance;
    if (place === undefined || !isOwnedBy(Atomics.load(this.#states, place), instance)) return "unchecked";
    return healthAt(this.#health, place);
  }

  /** The control thread alone says it. One that is well again after it was down is tried at once, if its circuit is open. */
  setHealth(instance: Instance, health: HealthState): void {
    const { place } = instance;
    if (place === undefined) return;
    if (health === "well" && this.isDown(instance)) this.#circuits.hasten(place);
    setHealth(this.#health, place, health, monotonicTicks());
  }

  admits(instance: Instance): boolean {
    return instance.place === undefined || this.#circuits.admits(instance.place);
  }

  wellForMs({ place }: Instance): number {
    if (place === undefined) return Number.POSITIVE_INFINITY;
    return Math.min(this.#circuits.closedForMs(place), wellForMs(this.#health, place, monotonicTicks()));
  }

  report(sandbox: Sandbox, instance: Instance, claim: Claim, experience: Experience): void {
    let now = this.#reached(instance);
    while (!this.#move(instance, now, stateAfter(now, experience))) now = this.#reached(instance);
    const { place } = instance;
    if (claim < 0 || place === undefined) return;
    if (experience === "answered") this.#circuits.succeeded(place, claim);
    else if (isFailure(experience)) this.#circuits.failed(place, claim, () => this.#mayOpen(sandbox));
  }

  claim(instance: Instance, most: number): Claim {
    const { place } = instance;
    if (this.#lane === undefined || place === undefined) return UNTRACKED;
    Atomics.add(this.#lane, place, 1);
    // Counted first, then looked: whoever gives the place to another does it the other way round.
    if (!isOwnedBy(Atomics.load(this.#states, place), instance)) {
      Atomics.sub(this.#lane, place, 1);
      return UNTRACKED;
    }
    const claim = most > 0 && this.inFlight(instance) > most ? REFUSED : this.#circuits.claim(place);
    if (claim === REFUSED) Atomics.sub(this.#lane, place, 1);
    return claim;
  }

  release({ place }: Instance, claim: Claim): void {
    if (this.#lane === undefined || place === undefined || claim < 0) return;
    this.#circuits.gaveUp(place, claim);
    Atomics.sub(this.#lane, place, 1);
  }

  /** Undefined when nothing is known of it: it has no place, or none any more. */
  circuit(instance: Instance): (Circuit & { readonly opensInMs: number; readonly closedForMs: number }) | undefined {
    const { place } = instance;
    if (place === undefined || !isOwnedBy(Atomics.load(this.#states, place), instance)) return undefined;
    return {
      ...this.#circuits.circuit(place),
      opensInMs: this.#circuits.opensInMs(place),
      closedForMs: this.#circuits.closedForMs(place),
    };
  }

  /** Closes its circuit by hand. `forget`: also how often it has been open. */
  closeCircuit({ place }: Instance, forget: boolean): void {
    if (place !== undefined) this.#circuits.close(place, forget);
  }

  /** See `Circuits.restore`. */
  restoreCircuit({ place }: Instance, past: Parameters<Circuits["restore"]>[1]): void {
    if (place !== undefined) this.#circuits.restore(place, past);
  }

  inFlight(instance: Instance): number {
    const { place } = instance;
    if (place === undefined || !isOwnedBy(Atomics.load(this.#states, place), instance)) return 0;
    return this.#lanes.reduce((sum, lane) => sum + Atomics.load(lane, place), 0);
  }

  /** Never more than half of a sandbox's instances: the rest would get it all. An only one is always tried. */
  #mayOpen({ instances }: Sandbox): boolean {
    let open = 0;
    let down = 0;
    for (const instance of instances) {
      const { place } = instance;
      if (place !== undefined && this.#circuits.circuit(place).state !== "closed") open += 1;
      else if (this.isDown(instance)) down += 1;
    }
    const half = instances.length / 2;
    // When more than half are down, the checks are not heeded: it is panic.
    return open + 1 + (down > half ? 0 : down) <= half;
  }

  /** What traffic, or its driver, says of it. */
  #reached({ place, number }: Instance): InstanceStateName {
    if (place === undefined) return "unknown";
    const word = Atomics.load(this.#states, place);
    return isOwnedBy(word, { number }) ? stateIn(word) : "unknown";
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
