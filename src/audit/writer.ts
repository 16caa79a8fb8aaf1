import type { Store } from "../store/store.ts";
import type { AuditChain } from "./chain.ts";
import type { AuditBatch } from "./outbox.ts";

const RETRY_MS = 250;
/** Records kept for a later attempt while the disk refuses them. New calls are refused meanwhile, so few come in. */
const BACKLOG_LIMIT = 100_000;
/** No more than this many records are put together into one link: whoever reads the chain holds whole links in memory. */
const LINK_LIMIT = 1000;

/**
 * A commit costs about 30 µs whatever it holds. When one held this many records, more are on their way, and the next one
 * waits up to GROUP_MS for them; a quiet gateway never waits.
 */
const GROUP_FROM = 4;
const GROUP_MS = 1;

type Records = Pick<AuditBatch, "lines" | "count">;
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
  #arrived: Records[] = [];
  /** Whom to tell, and the last record of theirs that has arrived. */
  #waiting = new Map<Acknowledge, number>();
  #grouping = false;
  #backlog: Records[] = [];
  /** Records in the backlog. */
  #kept = 0;
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
    this.#arrived.push(batch);
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
    if (this.#kept > 0) this.#commitBacklog();
  }

  /** Commits everything that has arrived. */
  readonly #flush = (): void => {
    this.#scheduled = false;
    const arrived = this.#arrived;
    if (arrived.length === 0) return;
    const waiting = this.#waiting;
    this.#arrived = [];
    this.#waiting = new Map();
    this.#grouping = arrived.reduce((sum, { count }) => sum + count, 0) >= GROUP_FROM;
    const written = this.#retry === undefined && this.#commit(arrived);
    if (!written) this.#keep(arrived);
    for (const [acknowledge, last] of waiting) acknowledge(last, written);
  };

  /** One transaction, and almost always one link. */
  #commit(batches: readonly Records[]): boolean {
    try {
      this.#store.transaction(() => {
        for (const { lines, count } of linksOf(batches)) this.#chain.append(lines, count);
      });
      return true;
    } catch (cause) {
      if (this.#retry === undefined) this.#onState(false, cause);
      return false;
    }
  }

  #keep(batches: readonly Records[]): void {
    for (const batch of batches) {
      if (this.#kept + batch.count > BACKLOG_LIMIT) break;
      this.#backlog.push(batch);
      this.#kept += batch.count;
    }
    this.#retry ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
  }

  #tryAgain(): void {
    if (this.#commitBacklog()) {
      this.#retry = undefined;
      this.#onState(true);
    } else {
      this.#retry = setTimeout(() => this.#tryAgain(), RETRY_MS);
    }
  }

  #commitBacklog(): boolean {
    const written = this.#commit(this.#backlog);
    if (written) {
      this.#backlog = [];
      this.#kept = 0;
    }
    return written;
  }
}

/** The batches in order, put together as far as LINK_LIMIT allows. */
function linksOf(batches: readonly Records[]): Records[] {
  const links: Records[] = [];
  for (const batch of batches) {
    const last = links.at(-1);
    if (last === undefined || last.count + batch.count > LINK_LIMIT) links.push(batch);
    else links[links.length - 1] = { lines: `${last.lines}\n${batch.lines}`, count: last.count + batch.count };
  }
  return links;
}
