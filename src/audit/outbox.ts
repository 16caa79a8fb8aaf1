/** One turn's records on their way to the control thread. */
export interface AuditBatch {
  /** Number of the last record in it; records are numbered from 1 in the order they were submitted. */
  readonly last: number;
  /** Records as JSON texts, a line each. */
  readonly lines: string;
}

/** Whoever holds a response back until its record is committed. */
export interface AuditReceiver {
  /** `written` is false when the record could not be committed: then the response must not look like a success. */
  audited(written: boolean): void;
}

/**
 * The data thread's end of the audit path: gathers the records of one event-loop turn, sends them as one message, and
 * tells each receiver when its record is committed. In relaxed mode receivers are told at once.
 */
export class AuditOutbox {
  readonly #send: (batch: AuditBatch) => void;
  readonly #strict: boolean;
  #lines = "";
  #submitted = 0;
  #acknowledged = 0;
  #scheduled = false;
  /** Receivers of records `#acknowledged + 1` onwards, from `#first` on; null for those already told. */
  #receivers: (AuditReceiver | null)[] = [];
  #first = 0;

  constructor(options: { send: (batch: AuditBatch) => void; strict: boolean }) {
    this.#send = options.send;
    this.#strict = options.strict;
  }

  /** Records submitted and not yet acknowledged. */
  get unacknowledged(): number {
    return this.#submitted - this.#acknowledged;
  }

  submit(record: string, receiver: AuditReceiver | null): void {
    this.#lines = this.#lines === "" ? record : `${this.#lines}\n${record}`;
    this.#submitted += 1;
    const waits = this.#strict && receiver !== null;
    this.#receivers.push(waits ? receiver : null);
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#flush);
    }
    if (!waits) receiver?.audited(true);
  }

  /** The control thread has dealt with all records up to number `last`. */
  acknowledge(last: number, written: boolean): void {
    const end = this.#first + (last - this.#acknowledged);
    const from = this.#first;
    this.#first = end;
    this.#acknowledged = last;
    const receivers = this.#receivers;
    // Half empty and long: drop the front, at an amortised cost of one copy per receiver.
    if (end > 1024 && end * 2 > receivers.length) {
      this.#receivers = receivers.slice(end);
      this.#first = 0;
    }
    for (let index = from; index < end; index++) receivers[index]?.audited(written);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    const lines = this.#lines;
    this.#lines = "";
    this.#send({ last: this.#submitted, lines });
  };
}
