import type { Actor } from "../../control/control.ts";
import { NO_RIGHTS } from "../../domain/role/roles.ts";
import { setTimeout as pause } from "node:timers/promises";
import { Control } from "../../control/control.ts";
import { type SessionLimits, SessionVerbs } from "../../control/verbs/sessions.ts";
import type { KeyRing } from "../../auth/keys/key-ring.ts";
import type { Change } from "../../domain/change.ts";
import type { StateStore } from "../../store/store.ts";
import { failure, type Outcome, type SessionErrand } from "../threads/errands.ts";
import type { Log } from "./log.ts";

const ACTOR = { name: "gateway", holding: null };

/** Threads take a change over in a millisecond or two; one that hangs is waited for no longer than this. */
const IN_FORCE_MS = 1_000;
const SWEEP_MS = 10_000;

/** Opens and ends sessions for the data threads, and ends those whose time has come. */
export class SessionDesk {
  readonly #verbs: SessionVerbs;
  readonly #announce: () => Promise<void>;
  readonly #served: () => number | undefined;
  readonly #log: Log;
  #limits: SessionLimits;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #busy = false;
  /** Something was revoked since the last sweep, for all that is known. */
  #revoked = true;

  constructor(options: {
    store: StateStore;
    keys: KeyRing;
    limits: SessionLimits;
    /** Hands out what has been committed. */
    announce: () => Promise<void>;
    /** The revision that all data threads serve; undefined while none serves. */
    served: () => number | undefined;
    log: Log;
  }) {
    const { store } = options;
    const keys = async (): Promise<KeyRing> => options.keys;
    const now = Date.now;
    this.#limits = options.limits;
    this.#verbs = new SessionVerbs({
      control: new Control({ store, keys, now }),
      store,
      limits: () => this.#limits,
      now,
    });
    this.#announce = options.announce;
    this.#served = options.served;
    this.#log = options.log;
  }

  /** Sessions that are opened from now on follow these. */
  configure(limits: SessionLimits): void {
    this.#limits = limits;
  }

  /** Does what a data thread asks for; never rejects. What it did is in force on all threads by then. */
  async run(errand: SessionErrand): Promise<Outcome> {
    try {
      if (errand.kind === "open-session") {
        const { principal } = errand.session;
        const { session, revision } = await this.#verbs.open(callerNamed(principal.subject), errand.session);
        await this.#inForce(revision);
        return { session };
      }
      const { revision } = await this.#verbs.end(callerNamed(errand.subject), errand.id, "closed");
      await this.#inForce(revision);
      return { session: null };
    } catch (error) {
      return failure(error);
    }
  }

  /** A change came into force. */
  notice({ kind }: Change): void {
    if (kind === "token.revoked" || kind === "subject.revoked" || kind === "signing-key.changed") this.#revoked = true;
  }

  /** Ends what is due, every ten seconds. */
  look(): void {
    const now = performance.now();
    if (this.#busy || now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    this.#busy = true;
    const revoked = this.#revoked;
    this.#revoked = false;
    this.#verbs
      .endDue(ACTOR, { revoked })
      .then(
        (ended) => (ended > 0 ? this.#announce() : undefined),
        (error: unknown) => {
          this.#revoked ||= revoked;
          this.#log.warn({ error: String(error) }, "sessions whose time has come could not be ended");
        },
      )
      .finally(() => {
        this.#busy = false;
      });
  }

  async #inForce(revision: number): Promise<void> {
    await this.#announce();
    const until = performance.now() + IN_FORCE_MS;
    while ((this.#served() ?? revision) < revision && performance.now() < until) await pause(1);
  }
}

/** Whose own session it is, and who may do nothing else here. */
function callerNamed(name: string): Actor {
  return { name, holding: { rights: NO_RIGHTS, sandboxes: null, operations: null } };
}
