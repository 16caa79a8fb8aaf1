import { Control } from "../../control/control.ts";
import { KeyVerbs } from "../../control/verbs/keys.ts";
import type { KeyRing } from "../../auth/keys/key-ring.ts";
import { isOverlapOver } from "../../domain/credential/signing-key.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { StateStore } from "../../store/store.ts";
import type { Log } from "./log.ts";

const ACTOR = { name: "gateway", holding: null };

/** Retires signing keys whose overlap is over. From then on no thread verifies with them anyway; this ends what is still open. */
export class Retirement {
  readonly #verbs: KeyVerbs;
  readonly #snapshot: () => Snapshot;
  readonly #onRetired: () => void;
  readonly #log: Log;
  #busy = false;

  constructor(options: {
    store: StateStore;
    keys: KeyRing;
    snapshot: () => Snapshot;
    /** There are changes. */
    onRetired: () => void;
    log: Log;
  }) {
    const { store } = options;
    const keys = async (): Promise<KeyRing> => options.keys;
    const now = Date.now;
    this.#verbs = new KeyVerbs({ control: new Control({ store, keys, now }), store, keys, now });
    this.#snapshot = options.snapshot;
    this.#onRetired = options.onRetired;
    this.#log = options.log;
  }

  /** Costs nothing to speak of when nothing is due. */
  look(): void {
    const now = Date.now();
    if (this.#busy || ![...this.#snapshot().signingKeys.values()].some((key) => isOverlapOver(key, now))) return;
    this.#busy = true;
    this.#verbs
      .retireDue(ACTOR)
      .then(this.#onRetired, (error: unknown) =>
        this.#log.warn({ error: String(error) }, "a signing key could not be retired; it verifies nothing new"),
      )
      .finally(() => {
        this.#busy = false;
      });
  }
}
