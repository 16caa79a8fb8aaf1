import type { Change, Revised } from "../domain/change.ts";
import type { LinkRecord } from "../domain/credential/link.ts";
import type { SessionEnd, SessionRecord } from "../domain/credential/session.ts";
import type { SigningKey } from "../domain/credential/signing-key.ts";
import type { Role } from "../domain/role/role.ts";
import type { CustomRoute } from "../domain/route/route.ts";
import type { Instance, Sandbox } from "../domain/sandbox.ts";
import type { SnapshotData } from "../domain/snapshot/snapshot.ts";
import type { RevocationRow, SubjectRevocation, TokenRecord, Use } from "../domain/token.ts";
import type { AuditTable } from "./audit-log.ts";

/**
 * Everything that outlives the process and is shared by all who serve the same sandboxes. Only control writes it, each
 * time in one `transaction`; the tables here are for reading. Several processes may hold the same store open.
 *
 * Times are milliseconds since the epoch. What a method returns is the caller's own; nothing in it changes later.
 * Every promise may be rejected with GatewayError GW_005 (damaged), GW_008 (unreadable, full, locked, read-only) or
 * GW_001 (used against this contract).
 */
export interface StateStore {
  /**
   * Runs `work` in one write transaction: nobody else's commit falls between what it reads and its own. Commits when
   * `work`'s promise is fulfilled, rolls back when it is rejected, and passes its result or error on. Transactions of one
   * store run one after the other, in the order they were asked for.
   *
   * `work` gets tables of its own and waits for nothing but their promises. One that waits for anything else (a timer, a
   * socket, a key) would hold everybody up: it is rolled back and refused with GW_001, and so is one that uses the
   * store itself, for that waits for the transaction's end. So a transaction in a transaction is refused, never joined.
   * Once the transaction is over its tables refuse too (GW_001).
   *
   * Nobody else looks in: what another flow of this process asks of the store meanwhile is answered with the state before
   * the transaction or after it, never from the middle.
   */
  transaction<T>(work: (tables: Transaction) => Promise<T>): Promise<T>;
  readonly sandboxes: SandboxReads;
  readonly routes: RouteReads;
  readonly tokens: TokenReads;
  readonly links: LinkReads;
  readonly sessions: SessionReads;
  readonly roles: RoleReads;
  readonly revocations: RevocationReads;
  readonly changes: ChangeReads;
  readonly keys: KeyTable;
  readonly signingKeys: SigningKeyReads & FirstSigningKey;
  readonly observed: ObservedTable;
  readonly uses: UseTable;
  /**
   * All the data path needs, in one consistent view. Revocations of tokens that expired by `expiredBy` are left out:
   * see `lastRefusedExpiry` in domain/token.ts.
   */
  snapshot(expiredBy: number): Promise<SnapshotData>;
  /** A number that differs from the last call's when another process has committed since (SQLite: a few µs). */
  dataVersion(): Promise<number>;
  /** After everything that was asked for before. Nothing may be asked for afterwards; closing again does nothing. */
  close(): Promise<void>;
}

/** The tables as one transaction's `work` sees them. */
export interface Transaction {
  readonly sandboxes: SandboxTable;
  readonly routes: RouteTable;
  readonly tokens: TokenTable;
  readonly links: LinkTable;
  readonly sessions: SessionTable;
  readonly roles: RoleTable;
  readonly revocations: RevocationTable;
  readonly keys: ResealTable;
  readonly signingKeys: SigningKeyTable;
  readonly changes: ChangeTable;
  /**
   * The node's own audit chain, for the record of what this transaction does: they are committed together. Where the state
   * lies elsewhere, the record's commit is the last thing before the transaction's own.
   */
  readonly audit: AuditTable;
}

export interface SandboxReads {
  find(id: string): Promise<Sandbox | undefined>;
  /** Ordered by id. */
  list(): Promise<Sandbox[]>;
  findInstance(id: string): Promise<Instance | undefined>;
}

export interface SandboxTable extends SandboxReads {
  create(sandbox: Omit<Sandbox, "instances">): Promise<void>;
  /** Writes what may change of a sandbox. False when there was none. */
  update(sandbox: Omit<Sandbox, "instances" | "driver" | "createdAt">): Promise<boolean>;
  /** Removes its instances and routes too. False when there was none. */
  remove(id: string): Promise<boolean>;
  /** Returns the stored instance with its number, which is greater than any before it. */
  createInstance(instance: Pick<Instance, "id" | "sandboxId" | "url" | "weight">): Promise<Instance>;
  /** Writes what may change of an instance. False when there was none. */
  updateInstance(instance: Pick<Instance, "id" | "weight" | "draining" | "tripped">): Promise<boolean>;
  /** False when there was none. */
  removeInstance(id: string): Promise<boolean>;
}

export interface RouteReads {
  find(id: string): Promise<CustomRoute | undefined>;
  /** Ordered by host and path, those of any host first. */
  list(): Promise<CustomRoute[]>;
  /** Those that lead to a sandbox, in the same order. */
  listOf(sandboxId: string): Promise<CustomRoute[]>;
  /** Those of exactly this host and path. */
  listAt(place: Pick<CustomRoute, "host" | "path">): Promise<CustomRoute[]>;
}

export interface RouteTable extends RouteReads {
  create(route: CustomRoute): Promise<void>;
  /** False when there was none. */
  remove(id: string): Promise<boolean>;
}

export interface TokenReads {
  find(id: string): Promise<TokenRecord | undefined>;
  findByHash(hash: string): Promise<TokenRecord | undefined>;
  /** Newest first. */
  list(): Promise<TokenRecord[]>;
}

export interface TokenTable extends TokenReads {
  create(token: TokenRecord): Promise<void>;
  /** Sets `revokedAt` unless it is set already. False when there is no such token or it was revoked before. */
  revoke(id: string, at: number): Promise<boolean>;
  /** Sets `revokedAt` of all the subject's that were created before and have it not. Returns how many were still good. */
  revokeOf(subject: string, createdBefore: number, at: number): Promise<number>;
}

/** A session that is to end, and why. */
export interface DueSession {
  readonly session: SessionRecord;
  readonly reason: Extract<SessionEnd, "expired" | "idle" | "revoked">;
}

/** Open sessions only: what is left of one that has ended is its audit record. */
export interface SessionReads {
  find(id: string): Promise<SessionRecord | undefined>;
  /** Newest first. */
  list(): Promise<SessionRecord[]>;
  /** The subject's, newest first. */
  listOf(subject: string): Promise<SessionRecord[]>;
  /**
   * At most `most` of those that have expired by `now` or have not been used after `unusedSince` (ms since the epoch), or of
   * those too that stem from what was revoked.
   */
  due(when: { now: number; unusedSince: number; revoked: boolean }, most: number): Promise<DueSession[]>;
}

export interface SessionTable extends SessionReads {
  create(session: SessionRecord): Promise<void>;
  /** False when there was none. */
  remove(id: string): Promise<boolean>;
}

/** Roles that somebody has made: the built-in ones are no rows. */
export interface RoleReads {
  find(name: string): Promise<Role | undefined>;
  /** Ordered by name. */
  list(): Promise<Role[]>;
}

export interface RoleTable extends RoleReads {
  /** Takes the place of one of its name. */
  put(role: Role): Promise<void>;
  /** False when there was none. */
  remove(name: string): Promise<boolean>;
}

/** Revocations of what may have been made elsewhere: there is no token record that could tell of them. */
export interface RevocationReads {
  /** The moment before which all that was issued to the subject is revoked (ms since the epoch); undefined = none is. */
  findSubject(subject: string): Promise<number | undefined>;
  /** When the token of this id, made elsewhere, was revoked (ms since the epoch). */
  findId(tokenId: string): Promise<number | undefined>;
}

export interface RevocationTable extends RevocationReads {
  revokeSubject(revocation: SubjectRevocation, at: number): Promise<void>;
  /** `expiresAt`: how long the token might live; NEVER where nobody knows. */
  revokeId(row: RevocationRow, at: number): Promise<void>;
}

export interface LinkReads {
  find(id: string): Promise<LinkRecord | undefined>;
  /** Newest first. */
  list(): Promise<LinkRecord[]>;
}

export interface LinkTable extends LinkReads {
  /** The key that proves new links; undefined when there is none yet. */
  currentKey(): Promise<string | undefined>;
  /** Its key becomes the current one where there is none. */
  create(link: LinkRecord): Promise<void>;
  /** False when there is no such link or it was revoked before. */
  revoke(id: string, at: number): Promise<boolean>;
  /** Returns how many of its links were good. */
  retireKey(keyId: string, at: number): Promise<number>;
}

export interface ChangeReads {
  /** Revision of the newest change; 0 when there is none. */
  revision(): Promise<number>;
  /** Changes after `revision` in order, or "resync" when some of them are no longer kept, or were never there. */
  since(revision: number): Promise<Revised[] | "resync">;
}

export interface ChangeTable extends ChangeReads {
  /** Beside the rows the change describes. Returns its revision: one more than the last, in the order of commits. */
  append(change: Change, at: number): Promise<number>;
}

/** Secrets, sealed by the caller before they come here. */
export interface KeyTable {
  find(name: string): Promise<Buffer | undefined>;
  /** Keeps what is there already: the first writer wins, and `find` tells who that was. A commit of its own. */
  createIfAbsent(name: string, sealed: Buffer, at: number): Promise<void>;
  /** Leaves as little as can be of what was replaced in the store's files. */
  scrub(): Promise<void>;
}

/** A secret of the data folder, sealed under the master key. */
export interface SealedKey {
  readonly name: string;
  readonly sealed: Buffer;
}

/** The same secrets for whoever seals them anew, under another master key. */
export interface ResealTable {
  list(): Promise<SealedKey[]>;
  replace(key: SealedKey): Promise<void>;
}

export interface SigningKeyReads {
  find(id: string): Promise<SigningKey | undefined>;
  /** Newest first. */
  list(): Promise<SigningKey[]>;
}

export interface SigningKeyTable extends SigningKeyReads {
  create(key: SigningKey): Promise<void>;
  /** Writes what may change of a key. False when there was none. */
  update(key: Pick<SigningKey, "id" | "retiresAt" | "retiredAt" | "sealed">): Promise<boolean>;
}

export interface FirstSigningKey {
  /**
   * Keeps what is there already, whichever key that is: the first writer wins. A commit of its own. A signing key that was
   * kept among the sealed keys, as there once was one, goes with it.
   */
  createFirst(key: SigningKey): Promise<void>;
}

/** When credentials were last used. */
export interface UseTable {
  /** Never takes a last use back to an earlier one. A commit of its own. */
  note(uses: readonly Use[]): Promise<void>;
}

/** What the daemon saw, written back about once a second for `status` and the lists: name → JSON text. */
export interface ObservedTable {
  /** A commit of its own. */
  put(name: string, json: string, at: number): Promise<void>;
  find(name: string): Promise<{ readonly json: string; readonly at: number } | undefined>;
}
