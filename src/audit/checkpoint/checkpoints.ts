import { GatewayError } from "../../errors.ts";
import type { AuditLog } from "../../store/audit-log.ts";
import type { AuditChain } from "../chain.ts";
import { type Checkpoint, checkpointRecord, type CheckpointSigner, isCheckpoint } from "./checkpoint.ts";

/** Until the next attempt, when another process writes or the store refuses. */
const RETRY_MS = 1_000;

/**
 * Signs the chain's head now and then, as a record of the chain itself: so it goes wherever records go, to the sink and to
 * exports, where it can be checked with the public key alone. A chain to which nothing was added is not signed again.
 */
export class Checkpoints {
  readonly #log: Pick<AuditLog, "transaction" | "head" | "anchor" | "last">;
  readonly #chain: AuditChain;
  readonly #signer: CheckpointSigner;
  readonly #everyMs: number;
  readonly #onCheckpoint: (checkpoint: Checkpoint, signature: string) => void;
  readonly #onError: (error: unknown) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #failing = false;

  constructor(options: {
    log: Pick<AuditLog, "transaction" | "head" | "anchor" | "last">;
    chain: AuditChain;
    signer: CheckpointSigner;
    everyMs: number;
    /** Told of each once it is committed. */
    onCheckpoint: (checkpoint: Checkpoint, signature: string) => void;
    /** Told once each time that it begins to fail: the store refuses, or the head is not proven (GW_011). */
    onError: (error: unknown) => void;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    this.#log = options.log;
    this.#chain = options.chain;
    this.#signer = options.signer;
    this.#everyMs = options.everyMs;
    this.#onCheckpoint = options.onCheckpoint;
    this.#onError = options.onError;
    this.#now = options.now;
  }

  start(): void {
    this.#timer = setTimeout(() => this.#step(), this.#everyMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #step(): void {
    const isDone = this.#sign();
    this.#timer = setTimeout(() => this.#step(), isDone ? this.#everyMs : Math.min(RETRY_MS, this.#everyMs));
  }

  #sign(): boolean {
    let signed: Checkpoint | undefined;
    try {
      const isFree = this.#log.transaction(() => {
        signed = this.#next();
        if (signed !== undefined) this.#chain.append(checkpointRecord(signed, this.#signer), 1);
      });
      if (isFree && signed !== undefined) this.#onCheckpoint(signed, this.#signer.sign(signed));
      this.#failing = false;
      return isFree;
    } catch (error) {
      if (!this.#failing) this.#onError(error);
      this.#failing = true;
      return false;
    }
  }

  /** Undefined when there is nothing new. @throws GatewayError GW_011 */
  #next(): Checkpoint | undefined {
    const head = this.#log.head();
    const last = this.#log.last(1)[0];
    if (head === undefined || last === undefined || isCheckpoint(last)) return undefined;
    if (!this.#chain.isProven(head) || last.seq !== head.seq || last.hash !== head.hash) {
      throw new GatewayError("GW_011", { details: `record ${head.seq}: the head is not the last record's` });
    }
    return { at: this.#now(), seq: head.seq, hash: head.hash, records: head.seq - (this.#log.anchor()?.seq ?? 0) };
  }
}
