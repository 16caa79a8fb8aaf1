import type { Change } from "../change.ts";
import type { Labels } from "../labels.ts";
import type { Sight } from "../role/sight.ts";
import type { Sandbox } from "../sandbox.ts";
import { sample } from "./sample.ts";
import { Slots } from "./slots.ts";

/** So many changes are remembered; a view that is further behind is made anew. */
const REMEMBERED = 4_096;
/** So many views are kept: one for each way in which callers are narrowed. */
const MOST_VIEWS = 1_024;

/** What principals see that are narrowed in one way. */
interface View {
  readonly slots: Slots;
  /** Changes that it takes into account. */
  upTo: number;
}

/**
 * Which sandboxes have which labels. It goes with a thread's snapshot and is told of every change to it in the same turn of
 * the event loop; it is edited and not replaced, because sets of 100,000 are not copied for every change. Sandboxes without
 * labels are not in it: no selector finds them.
 */
export class SandboxIndex {
  /** By slot. */
  readonly #sandboxes: (Sandbox | undefined)[] = [];
  /** By id. */
  readonly #slots = new Map<string, number>();
  readonly #free: number[] = [];
  /** By the name of a label, and by its value. */
  readonly #labelled = new Map<string, Map<string, Slots>>();
  /** By the key of the sight; the one used last is the last. */
  readonly #views = new Map<string, View>();
  /** Slots that have changed, in a ring. */
  readonly #changed: number[] = [];
  #changes = 0;

  constructor(sandboxes: Iterable<Sandbox>) {
    for (const sandbox of sandboxes) this.#put(sandbox);
  }

  apply(change: Change): void {
    if (change.kind === "sandbox.put") this.#put(change.sandbox);
    else if (change.kind === "sandbox.removed") this.#remove(change.sandboxId);
  }

  /**
   * Up to `most` of the sandboxes that have all of the labels and that can be seen: any of them as likely as any
   * other, in random order. `labels`: at least one. `random`: from 0 up to 1.
   */
  sample(labels: Labels, sight: Sight | null, most: number, random: () => number): Sandbox[] {
    // The view first: whether somebody else's sandboxes have the labels is not to be learned from the time it takes.
    const view = sight === null ? [] : [this.#view(sight)];
    const labelled = Object.entries(labels).map(([name, value]) => this.#labelled.get(name)?.get(value));
    const known = labelled.filter((slots) => slots !== undefined);
    if (known.length < labelled.length) return [];
    return sample([...view, ...known], most, random).map((slot) => this.#sandboxes[slot] as Sandbox);
  }

  #put(sandbox: Sandbox): void {
    const entries = Object.entries(sandbox.labels);
    const known = this.#slots.get(sandbox.id);
    if (known !== undefined) this.#unlabel(known);
    else if (entries.length === 0) return;
    if (entries.length === 0) return this.#remove(sandbox.id);
    const slot = known ?? this.#free.pop() ?? this.#sandboxes.length;
    this.#sandboxes[slot] = sandbox;
    if (known === undefined) this.#slots.set(sandbox.id, slot);
    this.#note(slot); // who may see it may depend on its labels
    for (const [name, value] of entries) this.#labelledAs(name, value).add(slot, this.#sandboxes.length);
  }

  #remove(id: string): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#unlabel(slot);
    this.#slots.delete(id);
    this.#sandboxes[slot] = undefined;
    this.#free.push(slot);
    this.#note(slot);
  }

  #unlabel(slot: number): void {
    for (const [name, value] of Object.entries(this.#sandboxes[slot]?.labels ?? {})) {
      const values = this.#labelled.get(name);
      const slots = values?.get(value);
      slots?.delete(slot);
      if (slots?.size === 0) values?.delete(value);
      if (values?.size === 0) this.#labelled.delete(name);
    }
  }

  #labelledAs(name: string, value: string): Slots {
    let values = this.#labelled.get(name);
    if (values === undefined) {
      values = new Map();
      this.#labelled.set(name, values);
    }
    let slots = values.get(value);
    if (slots === undefined) {
      slots = new Slots();
      values.set(value, slots);
    }
    return slots;
  }

  #note(slot: number): void {
    this.#changed[this.#changes % REMEMBERED] = slot;
    this.#changes += 1;
  }

  /** Made by a look at every sandbox when somebody who is so narrowed selects for the first time, and kept up from then on. */
  #view(sight: Sight): Slots {
    const { key } = sight;
    const known = this.#views.get(key);
    const view = known !== undefined && this.#changes - known.upTo <= REMEMBERED ? known : this.#newView(sight);
    for (; view.upTo < this.#changes; view.upTo++) {
      this.#look(sight, view, this.#changed[view.upTo % REMEMBERED] as number);
    }
    this.#views.delete(key);
    this.#views.set(key, view);
    for (const oldest of this.#views.keys()) {
      if (this.#views.size > MOST_VIEWS) this.#views.delete(oldest);
      break;
    }
    return view.slots;
  }

  #newView(sight: Sight): View {
    const view = { slots: new Slots(), upTo: this.#changes };
    for (const slot of this.#sandboxes.keys()) this.#look(sight, view, slot);
    return view;
  }

  #look(sight: Sight, { slots }: View, slot: number): void {
    const sandbox = this.#sandboxes[slot];
    if (sandbox !== undefined && sight.sees(sandbox)) slots.add(slot, this.#sandboxes.length);
    else slots.delete(slot);
  }
}
