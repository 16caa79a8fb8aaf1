import { type AuditEntry, entriesOf } from "../../audit/entries.ts";
import { type Verdict, verifyChain } from "../../audit/verify.ts";
import type { KeyRing } from "../../auth/keys.ts";
import type { AuditLog } from "../../store/audit-log.ts";
import type { StateStore } from "../../store/store.ts";
import type { Actor } from "../control.ts";

/** Links read at once; each holds up to 1,000 records. */
const PAGE = 100;

export class AuditVerbs {
  readonly #store: Pick<StateStore, "changes" | "tokens">;
  readonly #audit: AuditLog;
  readonly #keys: () => Promise<KeyRing>;

  constructor(options: {
    store: Pick<StateStore, "changes" | "tokens">;
    audit: AuditLog;
    keys: () => Promise<KeyRing>;
  }) {
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

  /** Walks the whole chain. */
  async verify(_actor: Actor): Promise<Verdict> {
    const { auditKey } = await this.#keys();
    // Every token and every change was written together with a record. Asked before the chain is looked at, for both go on.
    const hasHistory = (await this.#store.changes.revision()) > 0 || (await this.#store.tokens.list()).length > 0;
    return await this.#audit.read((table) => verifyChain({ table, key: auditKey, hasHistory }));
  }
}
