import type { Store } from "../store/store.ts";
import type { AuditChain } from "./chain.ts";
import type { AuditBatch } from "./outbox.ts";

const RETRY_MS = 250;
/** Records kept for a later attempt while the disk refuses them. New calls are refused meanwhile, so few come in. */
const BACKLOG_LIMIT = 100_000;

interface Arrival {
  readonly batch: AuditBatch;
  readonly acknowledge: (last: number, written: boolean) => void;
}

/**
 * The control thread's end of the audit path: commits what arrived in one event-loop turn as one transaction and then
 * acknowledges it. When the store refuses, the responses are told so, `onState(false)` closes the front door, and the
 * records themselves, which tell of calls that did happen, are tried again until they are in.
 */
export class AuditWriter {
  readonly #store: Pick<Store, "transaction">;
  readonly #chain: AuditChain;
  readonly #onState: (working: boolean, cause?: unknown) => void;
  #arrivals: Arrival[] = [];
  #backlog: string[] = [];
  #scheduled = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: {
    store: Pick<Store, "transaction">;
    chain: AuditChain;
    /** Told on each change between working and not working. */
    onState: (working: boolean, cause?: unknown) => void;
  }) {
    this.#store = options.store;
    this.#chain = options.chain;
    this.#onState = options.onState;
  }

  accept(batch: AuditBatch, acknowledge: (last: number, written: boolean) => void): void {
    this.#arrivals.push({ batch, acknowledge });
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Commits everything that has arrived, now. */
  flush(): void {
    this.#scheduled = false;
    const arrivals = this.#arrivals;
    if (arrivals.length === 0) return;
    this.#arrivals = [];
    const records = arrivals.flatMap(({ batch }) => batch.lines.split("\n"));
    const written = this.#retry === undefined && this.#commit(records);
    if (!written) this.#keep(records);
    for (const { batch, acknowledge } of arrivals) acknowledge(batch.last, written);
  }

  /** A last attempt at everything; then no more timers. */
  close(): void {
    this.flush();
    clearTimeout(this.#retry);
    if (this.#backlog.length > 0) this.#commit(this.#backlog);
  }

  #commit(records: readonly string[]): boolean {
    try {
      this.#store.transaction(() => this.#chain.append(records));
      return true;
    } catch (cause) {
      if (this.#retry === undefined) this.#onState(false, cause);
      return false;
    }
  }

  #keep(records: readonly string[]): void {
    this.#backlog = this.#backlog.concat(records).slice(0, BACKLOG_LIMIT);
    this.#retry ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
  }

  #tryAgain(): void {
    if (this.#commit(this.#backlog)) {
      this.#backlog = [];
      this.#retry = undefined;
      this.#onState(true);
    } else {
      this.#retry = setTimeout(() => this.#tryAgain(), RETRY_MS);
    }
  }
}
