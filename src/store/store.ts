import type { Change, Revised } from "../domain/change.ts";
import type { Instance, Sandbox } from "../domain/sandbox.ts";
import type { SnapshotData } from "../domain/snapshot/snapshot.ts";
import type { TokenRecord } from "../domain/token.ts";

/**
 * Everything that outlives the process. Synchronous on purpose: only the control thread and the command line use it.
 * Two processes may hold the same store open; each write is one `transaction`.
 * Every method may throw GatewayError GW_005 (damaged) or GW_008 (unreadable, full, read-only).
 */
export interface Store {
  /**
   * Runs `work` in one write transaction (BEGIN IMMEDIATE: what is read inside cannot change before the commit).
   * Commits when it returns, rolls back when it throws. Not reentrant.
   */
  transaction<T>(work: () => T): T;
  readonly sandboxes: SandboxTable;
  readonly tokens: TokenTable;
  readonly keys: KeyTable;
  readonly changes: ChangeTable;
  readonly audit: AuditTable;
  readonly observed: ObservedTable;
  /** All the data path needs, read in one consistent view. `now` in ms drops revocations that have expired. */
  snapshot(now: number): SnapshotData;
  /** A number that differs from the last call's when another connection has committed since (about 1 µs). */
  dataVersion(): number;
  close(): void;
}

export interface SandboxTable {
  find(id: string): Sandbox | undefined;
  /** Ordered by id. */
  list(): Sandbox[];
  create(sandbox: Omit<Sandbox, "instances">): void;
  /** Removes its instances too. False when there was none. */
  remove(id: string): boolean;
  /** Returns the stored instance with its number. */
  createInstance(instance: Omit<Instance, "number">): Instance;
  findInstance(id: string): Instance | undefined;
  removeInstance(id: string): boolean;
}

export interface TokenTable {
  find(id: string): TokenRecord | undefined;
  findByHash(hash: string): TokenRecord | undefined;
  /** Newest first. */
  list(): TokenRecord[];
  create(token: TokenRecord): void;
  /** Sets `revokedAt` unless it is set already. False when there is no such token or it was revoked before. */
  revoke(id: string, at: number): boolean;
}

/** Secrets, sealed by the caller before they come here. */
export interface KeyTable {
  find(name: string): Buffer | undefined;
  /** Keeps what is there already: the first writer wins, and `find` tells who that was. */
  createIfAbsent(name: string, sealed: Buffer, at: number): void;
}

export interface ChangeTable {
  /** Inside a transaction, beside the rows the change describes. Returns its revision. */
  append(change: Change, at: number): number;
  /** Revision of the newest change; 0 when there is none. */
  revision(): number;
  /** Changes after `revision` in order, or "resync" when some of them are no longer kept. */
  since(revision: number): Revised[] | "resync";
}

/**
 * One link of the audit chain: the records of one commit. A row per commit and not per record, because that is cheaper:
 * with 40 records of 400 bytes to a commit, 2.8 µs of processor time a record against 4.8.
 */
export interface AuditLink {
  /** Place of its last record in the order of all records, which begins with 1. */
  readonly seq: number;
  /** How many records it holds. */
  readonly count: number;
  /** The records as JSON texts, a line each: the text that was hashed. */
  readonly lines: string;
  /** Hex. */
  readonly hash: string;
}

/** The newest link and a keyed proof of it, so that a shortened chain is noticed. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
  readonly mac: string;
}

export interface AuditTable {
  head(): AuditHead | undefined;
  /** Inside a transaction. */
  insert(link: AuditLink): void;
  /** Inside a transaction. */
  setHead(head: AuditHead): void;
  /** The links that hold the records after `seq`, oldest first, at most `limit` links. */
  after(seq: number, limit: number): AuditLink[];
  /** The links that hold the newest `count` records, oldest first. */
  last(count: number): AuditLink[];
}

/** What the daemon saw, written back about once a second for `status` and the lists: name → JSON text. */
export interface ObservedTable {
  put(name: string, json: string, at: number): void;
  find(name: string): { readonly json: string; readonly at: number } | undefined;
}
