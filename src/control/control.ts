import { AuditChain } from "../audit/chain.ts";
import { adminRecord } from "../audit/record.ts";
import type { KeyRing } from "../auth/keys/key-ring.ts";
import type { Change } from "../domain/change.ts";
import type { Holding } from "../domain/role/holds.ts";
import type { Permission } from "../domain/role/role.ts";
import { GatewayError } from "../errors.ts";
import type { StateStore, Transaction } from "../store/store.ts";

/** Who acts. */
export interface Actor {
  /** `cli:<user>` for the command line, the subject for a remote call: as the audit record names it. */
  readonly name: string;
  /** What it may do, and pass on; null = everything: the data folder is its own. */
  readonly holding: Holding | null;
}

/** One verb's transaction. */
export interface Step
  extends Pick<
    Transaction,
    "sandboxes" | "routes" | "tokens" | "links" | "sessions" | "roles" | "revocations" | "keys" | "signingKeys"
  > {
  /** Milliseconds since the epoch: one time for all that the verb writes. */
  readonly now: number;
  /** Tells the data path. Returns the revision: once that is in force, so is the change. */
  announce(change: Change): Promise<number>;
  /** Revision of the newest change so far. */
  revision(): Promise<number>;
  /** Leaves the audit record; `details` hold no secret. */
  record(action: string, target: string, details: Readonly<Record<string, unknown>>): void;
}

/**
 * Changes the state: every verb that writes is one transaction here. The rows, the change that tells the data path, and the
 * audit record are written together or not at all.
 */
export class Control {
  readonly #store: Pick<StateStore, "transaction">;
  readonly #keys: () => Promise<Pick<KeyRing, "auditKey">>;
  readonly #now: () => number;

  constructor(options: {
    store: Pick<StateStore, "transaction">;
    keys: () => Promise<Pick<KeyRing, "auditKey">>;
    now: () => number;
  }) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#now = options.now;
  }

  /** See StateStore.transaction for what `work` may wait for: its step's own promises, and nothing else. */
  async write<T>(actor: Actor, work: (step: Step) => Promise<T>): Promise<T> {
    const { auditKey } = await this.#keys();
    return await this.#store.transaction(({ changes, audit, ...tables }) => {
      const now = this.#now();
      const chain = new AuditChain({ table: audit, key: auditKey });
      return work({
        ...tables,
        now,
        announce: (change) => changes.append(change, now),
        revision: () => changes.revision(),
        record: (action, target, details) =>
          chain.append(adminRecord({ at: now, actor: actor.name, action, target, details }), 1),
      });
    });
  }
}

/** @throws GatewayError AUTH_003 */
export function requirePermission({ holding }: Actor, permission: Permission): void {
  if (holding === null || holding.rights.has(permission)) return;
  throw new GatewayError("AUTH_003", { details: `Role ${holding.rights.role.name} does not include ${permission}` });
}

/** @throws GatewayError VAL_010 */
export function check(isRight: boolean, otherwise: string): asserts isRight {
  if (!isRight) throw new GatewayError("VAL_010", { details: otherwise });
}

/** A value from outside as a message shows it. */
export function quoted(value: string | null): string {
  return JSON.stringify(value);
}
