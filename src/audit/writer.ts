import { GatewayError } from "../errors.ts";
import type { AuditLog } from "../store/audit-log.ts";
import type { AuditChain } from "./chain.ts";
import type { AuditBatch } from "./outbox.ts";
import { lossRecord } from "./record.ts";

const RETRY_MS = 250;
/** How often a store in which another process writes is asked again, and for how long before that counts as a refusal. */
const LOCK_PAUSE_MS = 2;
const LOCK_LIMIT_MS = 5_000;
/** Records kept for a later attempt while the disk refuses them. New calls are refused meanwhile, so few come in. */
const BACKLOG_LIMIT = 100_000;
/** No more than this many records are put together into one link: whoever reads the chain holds whole links in memory. */
const LINK_LIMIT = 1000;

/**
 * A commit costs about 30 µs whatever it holds. When one held this many records, more are on their way, and the next one
 * waits up to GROUP_MS for them; a quiet gateway never waits. Waiting twice as long saved 2 % of the processor's time and
 * cost 15 % of the requests: callers that wait for their records send nothing new meanwhile.
 */
const GROUP_FROM = 4;
const GROUP_MS = 1;

type Records = Pick<AuditBatch, "lines" | "count">;
/** Records that found no room in the backlog, and when the first and the last of them came (ms since the epoch). */
interface Dropped {
  readonly records: number;
  readonly from: number;
  readonly until: number;
}

type Acknowledge = (last: number, written: boolean) => void;

/**
 * The control thread's end of the audit path: commits what arrived in one event-loop turn (or, under load, one
 * millisecond) as one transaction and then acknowledges it. When the store refuses, the responses are told so,
 * `onState(false)` closes the front door, and the records themselves, which tell of calls that did happen, are tried
 * again until they are in. What is more than BACKLOG_LIMIT is dropped, and a record behind the others says how many.
 */
export class AuditWriter {
  readonly #log: Pick<AuditLog, "transaction">;
  readonly #chain: AuditChain;
  readonly #requireWritable: () => void;
  readonly #onState: (working: boolean, cause?: unknown) => void;
  readonly #onDropped: () => void;
  readonly #now: () => number;
  #arrived: Records[] = [];
  /** Whom to tell, and the last record of theirs that has arrived. */
  #waiting = new Map<Acknowledge, number>();
  #grouping = false;
  #backlog: Records[] = [];
  /** Records in the backlog. */
  #kept = 0;
  /** Dropped in this outage. */
  #missing: Dropped | undefined;
  #dropped = 0;
  #scheduled = false;
  /** Since when another process has been writing (`performance.now`), and the next look. */
  #lockedSince: number | undefined;
  #look: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: {
    log: Pick<AuditLog, "transaction">;
    chain: AuditChain;
    /** Told on each change between working and not working. */
    onState: (working: boolean, cause?: unknown) => void;
    /** Throws when what is committed now would be lost although the store takes it. */
    requireWritable?: () => void;
    /** Told once in each outage that records are dropped from now on. */
    onDropped?: () => void;
    /** Milliseconds since the epoch. */
    now?: () => number;
  }) {
    this.#log = options.log;
    this.#chain = options.chain;
    this.#onState = options.onState;
    this.#requireWritable = options.requireWritable ?? (() => undefined);
    this.#onDropped = options.onDropped ?? (() => undefined);
    this.#now = options.now ?? Date.now;
  }

  /** Records dropped since the start. */
  get dropped(): number {
    return this.#dropped;
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

  /**
   * A last attempt at everything; then no more timers. Resolves to how many records could not be written and are lost. In a
   * turn of its own: whoever calls may come from a promise, and somebody's state transaction may be open.
   */
  async close(): Promise<number> {
    do await inATurnOfItsOwn(this.#flush);
    while (this.#arrived.length > 0);
    await inATurnOfItsOwn(() => {
      clearTimeout(this.#retry);
      if (this.#kept > 0) this.#commitBacklog();
    });
    return this.#kept + (this.#missing?.records ?? 0);
  }

  /** Commits everything that has arrived. */
  readonly #flush = (): void => {
    this.#scheduled = false;
    clearTimeout(this.#look);
    const arrived = this.#arrived;
    if (arrived.length === 0) return;
    const outcome = this.#retry === undefined ? this.#commit(arrived) : "refused";
    if (outcome === "locked") {
      this.#scheduled = true;
      this.#look = setTimeout(this.#flush, LOCK_PAUSE_MS);
      return;
    }
    const waiting = this.#waiting;
    this.#arrived = [];
    this.#waiting = new Map();
    const records = arrived.reduce((sum, { count }) => sum + count, 0);
    this.#grouping = records >= GROUP_FROM;
    const written = outcome === "written";
    if (!written) this.#keep(arrived);
    for (const [acknowledge, last] of waiting) acknowledge(last, written);
  };

  /** One transaction, and almost always one link. */
  #commit(batches: readonly Records[]): "written" | "locked" | "refused" {
    try {
      this.#requireWritable();
      const isFree = this.#log.transaction(() => {
        for (const { lines, count } of linksOf(batches)) this.#chain.append(lines, count);
      });
      if (!isFree && this.#mayWait()) return "locked";
      this.#lockedSince = undefined;
      if (isFree) return "written";
      throw new GatewayError("GW_008", { details: "another process keeps the audit log locked" });
    } catch (cause) {
      if (this.#retry === undefined) this.#onState(false, cause);
      return "refused";
    }
  }

  #mayWait(): boolean {
    this.#lockedSince ??= performance.now();
    return performance.now() - this.#lockedSince < LOCK_LIMIT_MS;
  }

  #keep(batches: readonly Records[]): void {
    for (const batch of batches) {
      if (this.#missing !== undefined || this.#kept + batch.count > BACKLOG_LIMIT) this.#drop(batch.count);
      else {
        this.#backlog.push(batch);
        this.#kept += batch.count;
      }
    }
    this.#retry ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
  }

  /** From the first one on, so that what is missing lies between two moments. */
  #drop(count: number): void {
    const now = this.#now();
    if (this.#missing === undefined) this.#onDropped();
    const { records, from } = this.#missing ?? { records: 0, from: now };
    this.#missing = { records: records + count, from, until: now };
    this.#dropped += count;
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
    const missing = this.#missing;
    const loss = missing === undefined ? [] : [{ lines: lossRecord({ ...missing, at: this.#now() }), count: 1 }];
    const written = this.#commit([...this.#backlog, ...loss]) === "written";
    if (written) {
      this.#backlog = [];
      this.#kept = 0;
      this.#missing = undefined;
    }
    return written;
  }
}

function inATurnOfItsOwn(work: () => void): Promise<void> {
  return new Promise((resolve) =>
    setImmediate(() => {
      work();
      resolve();
    }),
  );
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
