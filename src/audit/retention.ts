import type { AuditLog } from "../store/audit-log.ts";
import type { AuditChain } from "./chain.ts";

const BEAT_MS = 60_000;
/** Between two steps of one beat: the control thread has other things to do. */
const STEP_MS = 50;

/**
 * Drops records that are older than they have to be kept, the oldest first and a few at a time. The chain then begins
 * behind the last one dropped, with a proof that it was dropped here.
 */
export class Retention {
  readonly #log: Pick<AuditLog, "transaction">;
  readonly #chain: AuditChain;
  readonly #keepMs: number;
  readonly #onError: (error: unknown) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #failing = false;

  constructor(options: {
    log: Pick<AuditLog, "transaction">;
    chain: AuditChain;
    /** Milliseconds. */
    keepMs: number;
    /** Told once each time that it begins to fail: the store refuses, or the chain does not hold (GW_011). */
    onError: (error: unknown) => void;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    this.#log = options.log;
    this.#chain = options.chain;
    this.#keepMs = options.keepMs;
    this.#onError = options.onError;
    this.#now = options.now;
  }

  start(): void {
    this.#timer = setTimeout(() => this.#step(), STEP_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #step(): void {
    const isMore = this.#drop();
    this.#timer = setTimeout(() => this.#step(), isMore ? STEP_MS : BEAT_MS);
  }

  /** True when there may be more to drop: also while another process writes. */
  #drop(): boolean {
    try {
      let dropped = 0;
      const isDone = this.#log.transaction(() => {
        dropped = this.#chain.dropBefore(this.#now() - this.#keepMs);
      });
      this.#failing = false;
      return !isDone || dropped > 0;
    } catch (error) {
      if (!this.#failing) this.#onError(error);
      this.#failing = true;
      return false;
    }
  }
}
