import type { Store } from "../store/store.ts";
import type { AuditChain } from "./chain.ts";
import type { AuditBatch } from "./outbox.ts";

const RETRY_MS = 250;
/** Records kept for a later attempt while the disk refuses them. New calls are refused meanwhile, so few come in. */
const BACKLOG_LIMIT = 100_000;

/**
 * A commit costs about 30 µs whatever it holds. When one held this many records, more are on their way, and the next one
 * waits up to GROUP_MS for them; a quiet gateway never waits.
 */
const GROUP_FROM = 4;
const GROUP_MS = 1;

type Acknowledge = (last: number, written: boolean) => void;

/**
 * The control thread's end of the audit path: commits what arrived in one event-loop turn (or, under load, one
 * millisecond) as one transaction and then acknowledges it. When the store refuses, the responses are told so,
 * `onState(false)` closes the front door, and the records themselves, which tell of calls that did happen, are tried
 * again until they are in.
 */
export class AuditWriter {
  readonly #store: Pick<Store, "transaction">;
  readonly #chain: AuditChain;
  readonly #onState: (working: boolean, cause?: unknown) => void;
  #records: string[] = [];
  /** Whom to tell, and the last record of theirs that has arrived. */
  #waiting = new Map<Acknowledge, number>();
  #grouping = false;
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

  /** `acknowledge`: the same function for all batches of one thread. */
  accept(batch: AuditBatch, acknowledge: Acknowledge): void {
    for (const record of batch.lines.split("\n")) this.#records.push(record);
    this.#waiting.set(acknowledge, batch.last);
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#grouping) setTimeout(this.#flush, GROUP_MS);
    else setImmediate(this.#flush);
  }

  /** A last attempt at everything; then no more timers. */
  close(): void {
    this.#flush();
    clearTimeout(this.#retry);
    if (this.#backlog.length > 0 && this.#commit(this.#backlog)) this.#backlog = [];
  }

  /** Commits everything that has arrived. */
  readonly #flush = (): void => {
    this.#scheduled = false;
    const records = this.#records;
    if (records.length === 0) return;
    const waiting = this.#waiting;
    this.#records = [];
    this.#waiting = new Map();
    this.#grouping = records.length >= GROUP_FROM;
    const written = this.#retry === undefined && this.#commit(records);
    if (!written) this.#keep(records);
    for (const [acknowledge, last] of waiting) acknowledge(last, written);
  };

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
