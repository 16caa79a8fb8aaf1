import { createSecretKey } from "node:crypto";
import { existsSync, renameSync } from "node:fs";
import { type AuditEntry, entriesOf } from "../../audit/entries.ts";
import { AuditChain } from "../../audit/chain.ts";
import { findLoss, findLossBeside, type HeadPlace, readKeptHead, writeKeptHead } from "../../audit/kept-head.ts";
import { ACCEPTED_LOSS } from "../../audit/record.ts";
import type { AuditFilter } from "../../audit/search/filter.ts";
import { type AuditPage, type Order, searchPage } from "../../audit/search/search.ts";
import { type LastLine, lastLineOf } from "../../audit/sink/last-line.ts";
import { type Verdict, verifyChain } from "../../audit/verify.ts";
import type { KeyRing } from "../../auth/keys/key-ring.ts";
import { GatewayError } from "../../errors.ts";
import type { AuditHead, AuditLog, AuditTable } from "../../store/audit-log.ts";
import type { StateStore } from "../../store/store.ts";
import type { Actor, Control } from "../control.ts";

/** Links read at once; each holds up to 1,000 records. */
const PAGE = 100;

export class AuditVerbs {
  readonly #store: Pick<StateStore, "changes" | "tokens">;
  readonly #audit: AuditLog;
  readonly #keys: () => Promise<KeyRing>;
  readonly #control: Control;
  readonly #headPlace: HeadPlace;
  readonly #sinkFile: string;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "changes" | "tokens">;
    audit: AuditLog;
    keys: () => Promise<KeyRing>;
    /** Where the chain's head is kept beside it. */
    headPlace: HeadPlace;
    /** What every record is written to besides; empty = nothing. */
    sinkFile: string;
  }) {
    this.#sinkFile = options.sinkFile;
    this.#control = options.control;
    this.#headPlace = options.headPlace;
    this.#store = options.store;
    this.#audit = options.audit;
    this.#keys = options.keys;
  }

  /** The newest `count` records, oldest first. */
  last(_actor: Actor, count: number): Promise<AuditEntry[]> {
    return this.#audit.read((table) => entriesOf(table.last(count)).slice(-count));
  }

  /** Records after number `seq` (0 = from the first), oldest first: a page of them; an empty one when there are none yet. */
  after(_actor: Actor, seq: number): Promise<AuditEntry[]> {
    return this.#audit.read((table) => entriesOf(table.after(seq, PAGE)).filter((entry) => entry.seq > seq));
  }

  /** A page of the records that are asked for; `cursor`: where the page before it said to go on. */
  async search(_actor: Actor, filter: AuditFilter, order: Order, cursor?: number): Promise<AuditPage> {
    const { auditKey } = await this.#keys();
    const key = createSecretKey(auditKey);
    return await this.#audit.read((table) => searchPage({ table, key, filter, order, cursor }));
  }

  /** @throws GatewayError ROUTE_013 when there is none of that number. */
  async find(_actor: Actor, seq: number): Promise<AuditEntry> {
    const entries = await this.#audit.read((table) => entriesOf(table.after(seq - 1, 1)));
    const entry = entries.find((each) => each.seq === seq);
    if (entry === undefined) throw new GatewayError("ROUTE_013", { details: String(seq) });
    return entry;
  }

  /** Walks the whole chain. `noted`: a record that somebody wrote down elsewhere, with its hash. */
  async verify(_actor: Actor, noted?: LastLine): Promise<Verdict> {
    const { auditKey } = await this.#keys();
    // Before the chain is looked at, for both go on. Every token and every change was written together with a record.
    const kept = readKeptHead(this.#headPlace.file);
    const sink = this.#sinkFile === "" ? undefined : lastLineOf(this.#sinkFile);
    const hasHistory = (await this.#store.changes.revision()) > 0 || (await this.#store.tokens.list()).length > 0;
    return await this.#audit.read((table) => verifyChain({ table, key: auditKey, hasHistory, kept, sink, noted }));
  }

  /**
   * Goes on without the records that the kept head or the sink shows to be missing, and leaves a record of that. Kept head
   * and sink stay under other names, as evidence. Returns what is missing; undefined when nothing is, and then nothing is changed.
   * Only while no daemon runs.
   */
  async acceptLoss(actor: Actor): Promise<string | undefined> {
    const { auditKey: key } = await this.#keys();
    const { kept, loss } = await this.#audit.read((table) => this.#findLoss(new AuditChain({ table, key }), table));
    if (loss === undefined) return undefined;
    // It speaks of the records that are missing: what is numbered like them from now on would not be found.
    await this.#audit.read((table) => table.dropBlocks());
    const details = { loss, ...(kept && { kept_seq: kept.seq, kept_hash: kept.hash }) };
    await this.#control.write(actor, async (step) => step.record(ACCEPTED_LOSS, "audit", details));
    const head = await this.#audit.read((table) => table.head());
    const { file } = this.#headPlace;
    for (const evidence of [file, this.#sinkFile]) {
      if (existsSync(evidence)) renameSync(evidence, `${evidence}.before-${head?.seq ?? 0}`);
    }
    if (head !== undefined) writeKeptHead(this.#headPlace, head);
    return loss;
  }

  #findLoss(chain: AuditChain, table: AuditTable): { kept?: AuditHead | undefined; loss: string | undefined } {
    try {
      const kept = readKeptHead(this.#headPlace.file);
      const sink = this.#sinkFile === "" ? undefined : lastLineOf(this.#sinkFile);
      const loss = (kept && findLoss(kept, table, chain)) ?? (sink && findLossBeside(sink, table));
      if (kept !== undefined || sink !== undefined) return { kept, loss };
      return { loss: table.head() === undefined ? "the whole chain is missing" : undefined };
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === "GW_015")) throw error;
      return { loss: error.details };
    }
  }
}
