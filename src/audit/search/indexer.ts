import type { KeyObject } from "node:crypto";
import type { AuditBlock, AuditLog } from "../../store/audit-log.ts";
import { entriesOf } from "../entries.ts";
import { blockOf } from "./block.ts";

const BEAT_MS = 10_000;
/** Between two steps of one beat: the control thread has other things to do. */
const STEP_MS = 50;

/** Records that make a block, or a few more: links are not cut. Small, for a block is read whole when it may hold something. */
export const BLOCK_RECORDS = 256;

/**
 * Says of the records, a block of them at a time, what they can be found by. Comes behind the chain, off the way of the
 * requests, and when there are fewer of them: a search looks through what has no block yet itself.
 */
export class Indexer {
  readonly #log: Pick<AuditLog, "transaction" | "after" | "blocksTo" | "insertBlock" | "anchor">;
  readonly #key: KeyObject;
  readonly #isBusy: () => boolean;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #failing = false;

  constructor(options: {
    log: Pick<AuditLog, "transaction" | "after" | "blocksTo" | "insertBlock" | "anchor">;
    key: KeyObject;
    /** Asked before each step: whether the thread has more urgent things to do. */
    isBusy: () => boolean;
    /** Told once each time that it begins to fail. */
    onError: (error: unknown) => void;
  }) {
    this.#log = options.log;
    this.#key = options.key;
    this.#isBusy = options.isBusy;
    this.#onError = options.onError;
  }

  start(): void {
    this.#timer = setTimeout(() => this.#step(), STEP_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #step(): void {
    const isMore = !this.#isBusy() && this.#index();
    this.#timer = setTimeout(() => this.#step(), isMore ? STEP_MS : BEAT_MS);
  }

  /** True when there may be more to do: also while another process writes. */
  #index(): boolean {
    try {
      const block = this.#next();
      if (block !== undefined) this.#log.transaction(() => this.#log.insertBlock(block));
      this.#failing = false;
      return block !== undefined;
    } catch (error) {
      if (!this.#failing) this.#onError(error);
      this.#failing = true;
      return false;
    }
  }

  /** Undefined while there are too few records for one. */
  #next(): AuditBlock | undefined {
    const indexed = this.#log.blocksTo(Number.MAX_SAFE_INTEGER, 1)[0]?.last ?? 0;
    const start = Math.max(indexed, this.#log.anchor()?.seq ?? 0);
    const links = this.#log.after(start, BLOCK_RECORDS);
    let count = 0;
    const enough = links.findIndex((link) => (count += link.count) >= BLOCK_RECORDS);
    return enough < 0 ? undefined : blockOf(entriesOf(links.slice(0, enough + 1)), this.#key);
  }
}
