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

/** What some records in a row can be found by, all of it about them: an index beside the chain, which can be made anew. */
export interface AuditBlock {
  readonly first: number;
  readonly last: number;
  /** When they were made, ms since the epoch. */
  readonly oldest: number;
  readonly newest: number;
  /** A Bloom filter. */
  readonly terms: Buffer;
  /** Hex: a keyed proof of it all. */
  readonly mac: string;
}

/** The rows of the chain. Synchronous: they lie on the node's own disk, and responses wait for them. */
export interface AuditTable {
  head(): AuditHead | undefined;
  /** Inside a transaction. */
  insert(link: AuditLink): void;
  /** Inside a transaction. */
  setHead(head: AuditHead): void;
  /** The last link that was dropped for its age, and a keyed proof of it; undefined while the chain begins with record 1. */
  anchor(): AuditHead | undefined;
  /** Inside a transaction. */
  setAnchor(anchor: AuditHead): void;
  /** Inside a transaction. Takes away the links up to the one that ends with record `seq`, and their blocks. */
  drop(seq: number): void;
  /** The links that hold the records after `seq`, oldest first, at most `limit` links. */
  after(seq: number, limit: number): AuditLink[];
  /** The links that hold the newest `count` records, oldest first. */
  last(count: number): AuditLink[];
}

/** The rows of the index, under the same conditions. */
export interface AuditIndex {
  /** One that is there already stays. */
  insertBlock(block: AuditBlock): void;
  dropBlocks(): void;
  /** Blocks that begin with record `seq` or later, the oldest first. */
  blocksFrom(seq: number, limit: number): AuditBlock[];
  /** Blocks that end with record `seq` or earlier, the newest first. */
  blocksTo(seq: number, limit: number): AuditBlock[];
}

/**
 * The node's own audit log. Its file may be the state store's too, so its methods are for whoever is called by the event
 * loop itself (a timer, a message, setImmediate) or is alone in the process: no state transaction is ever open then.
 * Whoever may have waited for a promise comes through `read`. A call that does find a state transaction open would look
 * into it, or end up inside: it throws GW_001.
 * Every method may throw GatewayError GW_005 (damaged) or GW_008 (unreadable, full, read-only).
 */
export interface AuditLog extends AuditTable, AuditIndex {
  /**
   * Runs `work` in one write transaction: commits when it returns, rolls back when it throws. Waits for nobody: false when
   * another process writes just now, and then nothing was done. Not reentrant.
   */
  transaction(work: () => void): boolean;
  /** Runs `work`, which only reads, as soon as no state transaction is open. */
  read<T>(work: (table: AuditTable & AuditIndex) => T): Promise<T>;
}
