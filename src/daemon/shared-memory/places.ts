import type { Revised } from "../../domain/change.ts";
import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import type { SnapshotData } from "../../domain/snapshot/snapshot.ts";
import { type Circuits, monotonicTicks } from "../../proxy/health/circuits.ts";
import { clearHealth } from "../../proxy/health/health-words.ts";
import { NOBODY, stateWord } from "../../proxy/health/state-word.ts";
import type { InstanceWords } from "./layout.ts";

/** A place whose instance has gone: threads may use it until all of them serve `revision`. */
interface Leaving {
  readonly place: number;
  readonly revision: number;
}

/**
 * Gives each instance a place in shared memory, on its way from the store to the data threads, and takes it back when
 * nobody can use it any more: all threads serve a revision without the instance, and nothing is in flight on it. A place
 * says whose it is (see state-word.ts), so even a call that goes on with an old picture of its sandbox touches no other's.
 */
export class Places {
  readonly #words: InstanceWords;
  readonly #circuits: Pick<Circuits, "clear">;
  readonly #onFull: (instance: Instance) => void;
  /** Places that are nobody's, a ring: the one that has been free for longest is given out first. */
  readonly #free: Int32Array;
  #firstFree = 0;
  #freeCount: number;
  /** By sandbox id, as they were handed out. */
  readonly #living = new Map<string, readonly Instance[]>();
  /** In the order in which they left. */
  #leaving: Leaving[] = [];
  /** Nobody's, but something is still in flight there. */
  #busy: number[] = [];

  constructor(options: {
    words: InstanceWords;
    circuits: Pick<Circuits, "clear">;
    /** There is none left for this instance: it serves, but is neither counted nor known to be down. */
    onFull: (instance: Instance) => void;
  }) {
    this.#words = options.words;
    this.#circuits = options.circuits;
    this.#onFull = options.onFull;
    this.#free = Int32Array.from({ length: options.words.size }, (_, place) => place);
    this.#freeCount = options.words.size;
  }

  get free(): number {
    return this.#freeCount;
  }

  /** A change as the data threads get it: its instances have places. */
  apply(revised: Revised): Revised {
    const { change, revision } = revised;
    if (change.kind === "sandbox.put") {
      return { ...revised, change: { ...change, sandbox: this.#put(change.sandbox, revision) } };
    }
    if (change.kind === "sandbox.removed") this.#remove(change.sandboxId, revision);
    return revised;
  }

  /** A whole snapshot as the data threads get it. */
  replace(snapshot: SnapshotData): SnapshotData {
    const { revision, sandboxes } = snapshot;
    // Numbers start anew when the store is replaced by an older one.
    this.#leaving = this.#leaving.map((one) => ({ ...one, revision: Math.min(one.revision, revision) }));
    const present = new Set(sandboxes.map(({ id }) => id));
    for (const id of this.#living.keys()) if (!present.has(id)) this.#remove(id, revision);
    return { ...snapshot, sandboxes: sandboxes.map((sandbox) => this.#put(sandbox, revision)) };
  }

  /** Takes back what nobody can use any more. `served`: the revision that all threads serve. */
  reclaim(served: number): void {
    const unused = this.#leaving.findIndex(({ revision }) => revision > served);
    const vacated = this.#leaving.splice(0, unused < 0 ? this.#leaving.length : unused);
    // First the name on the door, then a look inside: whoever comes after the look reads the name before it stays.
    for (const { place } of vacated) {
      Atomics.store(this.#words.state, place, NOBODY);
      this.#busy.push(place);
    }
    const busy = this.#busy;
    this.#busy = [];
    for (const place of busy) {
      if (this.#isEmpty(place)) this.#giveBack(place);
      else this.#busy.push(place);
    }
  }

  #put(sandbox: Sandbox, revision: number): Sandbox {
    const living = this.#living.get(sandbox.id);
    if (living === undefined) {
      const settled = sandbox.instances.map((instance) => this.#settle(instance));
      this.#living.set(sandbox.id, settled);
      return { ...sandbox, instances: settled };
    }
    const before = new Map(living.map((instance) => [instance.id, instance]));
    const instances = sandbox.instances.map((instance) => {
      const known = before.get(instance.id);
      if (known?.number !== instance.number) return this.#settle(instance);
      before.delete(instance.id);
      return { ...instance, ...(known.place !== undefined && { place: known.place }) };
    });
    this.#living.set(sandbox.id, instances);
    for (const old of before.values()) this.#leave(old, revision);
    return { ...sandbox, instances };
  }

  #remove(sandboxId: string, revision: number): void {
    for (const instance of this.#living.get(sandboxId) ?? []) this.#leave(instance, revision);
    this.#living.delete(sandboxId);
  }

  #settle(instance: Instance): Instance {
    if (this.#freeCount === 0) {
      this.#onFull(instance);
      return instance;
    }
    const place = this.#free[this.#firstFree] as number;
    this.#firstFree = (this.#firstFree + 1) % this.#free.length;
    this.#freeCount -= 1;
    this.#circuits.clear(place);
    clearHealth(this.#words.health, place, monotonicTicks());
    Atomics.store(this.#words.state, place, stateWord(instance, "unknown"));
    return { ...instance, place };
  }

  #leave({ place }: Instance, revision: number): void {
    if (place !== undefined) this.#leaving.push({ place, revision });
  }

  #isEmpty(place: number): boolean {
    return this.#words.inFlight.every((lane) => Atomics.load(lane, place) === 0);
  }

  #giveBack(place: number): void {
    this.#free[(this.#firstFree + this.#freeCount) % this.#free.length] = place;
    this.#freeCount += 1;
  }
}
