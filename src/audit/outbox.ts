/** One turn's records on their way to the control thread. */
export interface AuditBatch {
  /** Number of the last record in it; records are numbered from 1 in the order they were submitted. */
  readonly last: number;
  readonly count: number;
  /** Records as JSON texts, a line each. */
  readonly lines: string;
}

/** Whoever holds a response back until its record is committed. */
export interface AuditReceiver {
  /** `written` is false when the record could not be committed: then the response must not look like a success. */
  audited(written: boolean): void;
}

/** Receivers of one batch that is on its way, in the order of its records. */
interface Sent {
  readonly last: number;
  readonly receivers: readonly AuditReceiver[];
}

/**
 * The data thread's end of the audit path: gathers the records of one event-loop turn, sends them as one message, and
 * tells each receiver when its record is committed. In relaxed mode those of `submit` are told at once. Where calls are served
 * although no record can be written, all are told that theirs is: the control thread keeps it for later.
 */
export class AuditOutbox {
  readonly #send: (batch: AuditBatch) => void;
  readonly #strict: boolean;
  readonly #servesUnrecorded: boolean;
  readonly #onError: (error: unknown) => void;
  #lines = "";
  #submitted = 0;
  #sentUpTo = 0;
  /**
   * Receivers of this turn. A new array each turn on purpose: one that lived longer would keep finished requests reachable
   * from V8's old generation, and every collection would copy them (that cost a quarter of the processor time).
   */
  #receivers: AuditReceiver[] = [];
  readonly #sent: Sent[] = [];
  #scheduled = false;
  #acknowledged = 0;
  #onSettled: (() => void)[] = [];

  constructor(options: {
    send: (batch: AuditBatch) => void;
    strict: boolean;
    /** Calls are served while no record can be written (AUDIT_FAIL_MODE=open). */
    servesUnrecorded?: boolean;
    /** A receiver threw. It has been told, and so will be all others. */
    onError: (error: unknown) => void;
  }) {
    this.#send = options.send;
    this.#strict = options.strict;
    this.#servesUnrecorded = options.servesUnrecorded ?? false;
    this.#onError = options.onError;
  }

  submit(record: string, receiver: AuditReceiver | null): void {
    this.#add(record);
    if (receiver === null) return;
    if (this.#strict) this.#receivers.push(receiver);
    else this.#tell(receiver, true);
  }

  /** For a record that must be in before something happens: its receiver waits for it in relaxed mode too. */
  commit(record: string, receiver: AuditReceiver): void {
    this.#add(record);
    this.#receivers.push(receiver);
  }

  /** Resolves when the control thread has dealt with every record submitted until then. */
  settled(): Promise<void> {
    if (this.#acknowledged === this.#submitted) return Promise.resolve();
    return new Promise((resolve) => this.#onSettled.push(resolve));
  }

  /** The control thread has dealt with all records up to number `last`. */
  acknowledge(last: number, written: boolean): void {
    this.#acknowledged = last;
    for (let sent = this.#sent[0]; sent !== undefined && sent.last <= last; sent = this.#sent[0]) {
      this.#sent.shift();
      for (const receiver of sent.receivers) this.#tell(receiver, written || this.#servesUnrecorded);
    }
    if (this.#acknowledged !== this.#submitted) return;
    for (const resolve of this.#onSettled.splice(0)) resolve();
  }

  #add(record: string): void {
    this.#lines = this.#lines === "" ? record : `${this.#lines}\n${record}`;
    this.#submitted += 1;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  #tell(receiver: AuditReceiver, written: boolean): void {
    try {
      receiver.audited(written);
    } catch (error) {
      this.#onError(error);
    }
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    const lines = this.#lines;
    const batch: Sent = { last: this.#submitted, receivers: this.#receivers };
    this.#lines = "";
    this.#receivers = [];
    if (batch.receivers.length > 0) this.#sent.push(batch);
    const count = batch.last - this.#sentUpTo;
    this.#sentUpTo = batch.last;
    this.#send({ last: batch.last, count, lines });
  };
}
