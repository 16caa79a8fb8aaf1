// The chain's head is kept once more, in a file of its own beside the database: a database that is lost, emptied or put back
// to an earlier state agrees with itself, but not with that file.

import fs from "node:fs";
import { open, rename } from "node:fs/promises";
import path from "node:path";
import { GatewayError, hasCode } from "../errors.ts";
import type { AuditHead, AuditLog, AuditTable } from "../store/audit-log.ts";
import { type LastLine, lastLineOf } from "./sink/last-line.ts";
import type { AuditChain } from "./chain.ts";

const BEAT_MS = 1_000;

/** Where a chain's head is kept. */
export interface HeadPlace {
  readonly file: string;
  /** Holds what was committed last: SQLite's write-ahead log. On the disk before the head is, see HeadKeeper. */
  readonly log: string;
}

/** The head as it was last kept; undefined when none is. @throws GatewayError GW_015 when the file cannot be understood. */
export function readKeptHead(file: string): AuditHead | undefined {
  try {
    const value: unknown = JSON.parse(fs.readFileSync(file, "utf8"));
    if (isHead(value)) return value;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    if (!(error instanceof SyntaxError)) throw new GatewayError("GW_008", { details: String(error), cause: error });
  }
  throw new GatewayError("GW_015", { details: `${file} cannot be understood` });
}

/** Keeps a head, at once. The file is always a whole one, the old or the new. */
export function writeKeptHead({ file, log }: HeadPlace, head: AuditHead): void {
  if (fs.existsSync(log)) syncToDiskNow(log);
  const draft = draftOf(file);
  try {
    fs.writeFileSync(draft, textOf(head), { mode: 0o600, flush: true });
    fs.renameSync(draft, file);
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

/** What the chain lacks although the kept head proves that it was there; undefined when it has grown from that head. */
export function findLoss(kept: AuditHead, table: AuditTable, chain: AuditChain): string | undefined {
  if (!chain.isProven(kept)) return "the head kept beside it was not written with this database's keys";
  const end = table.head()?.seq ?? 0;
  if (end < kept.seq) return `records ${end + 1} to ${kept.seq} are missing`;
  const anchor = table.anchor();
  if (anchor !== undefined && anchor.seq >= kept.seq && chain.isAnchor(anchor)) return undefined;
  const link = table.after(kept.seq - 1, 1)[0];
  if (link?.seq === kept.seq && link.hash === kept.hash) return undefined;
  return `record ${kept.seq} is not the one that was there`;
}

/**
 * What the chain lacks although a sink's file has it, or somebody noted it; undefined when it has grown from that. A file is no
 * proof by itself: who can change it can change that. But it may lie where the chain's own files do not.
 * @param whose Ends the sentence: `the sink has`.
 */
export function findLossBeside(last: LastLine, table: AuditTable, whose = "the sink has"): string | undefined {
  const end = table.head()?.seq ?? 0;
  if (end < last.seq) return `records ${end + 1} to ${last.seq} are missing, which ${whose}`;
  const anchor = table.anchor();
  if (last.hash === "" || (anchor !== undefined && anchor.seq >= last.seq)) return undefined;
  const link = table.after(last.seq - 1, 1)[0];
  return link?.hash === last.hash ? undefined : `record ${last.seq} is not the one that ${whose}`;
}

/** What the sink's file ends with; undefined when there is none. @throws GatewayError GW_015 when the chain has not grown from it. */
export function requireNoLossBeside(file: string, table: AuditTable): LastLine | undefined {
  const last = lastLineOf(file);
  const loss = last && findLossBeside(last, table);
  if (loss !== undefined) throw new GatewayError("GW_015", { details: loss });
  return last;
}

/** The head that is kept; undefined when none is. @throws GatewayError GW_015 when the chain has not grown from it. */
export function requireNoLoss(file: string, table: AuditTable, chain: AuditChain): AuditHead | undefined {
  return requireGrown(readKeptHead(file), table, chain);
}

function requireGrown(kept: AuditHead | undefined, table: AuditTable, chain: AuditChain): AuditHead | undefined {
  const loss = kept && findLoss(kept, table, chain);
  if (loss !== undefined) throw new GatewayError("GW_015", { details: loss });
  return kept;
}

/** Keeps the chain's head, unless it has not grown. @throws GatewayError GW_015 as above: what is kept is evidence then. */
export function keepHead(place: HeadPlace, table: AuditTable, chain: AuditChain): void {
  const kept = requireNoLoss(place.file, table, chain);
  const head = table.head();
  if (head !== undefined && head.seq > (kept?.seq ?? 0)) writeKeptHead(place, head);
}

/**
 * Keeps the head of a growing chain: once a second, and when it is stopped. What is kept was written to the disk before, so
 * that neither the end of the process nor a power failure leaves a kept head without its records. A chain that was put back
 * while it was open does not take the kept head with it.
 */
export class HeadKeeper {
  readonly #place: HeadPlace;
  readonly #audit: Pick<AuditLog, "read">;
  readonly #chain: AuditChain;
  readonly #onError: (error: unknown) => void;
  #kept: AuditHead | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #failing = false;

  constructor(options: {
    place: HeadPlace;
    audit: Pick<AuditLog, "read">;
    chain: AuditChain;
    /** The head that is kept already; undefined when none is. */
    kept: AuditHead | undefined;
    /** Told once each time that keeping begins to fail (GW_015: records are missing); it is tried again with each beat. */
    onError: (error: unknown) => void;
  }) {
    this.#place = options.place;
    this.#audit = options.audit;
    this.#chain = options.chain;
    this.#kept = options.kept;
    this.#onError = options.onError;
  }

  start(): void {
    this.#timer = setInterval(() => void this.beat(), BEAT_MS);
  }

  /** Keeps the head now, unless it is kept already. Never rejects. */
  beat(): Promise<void> {
    this.#writing ??= this.#keep().finally(() => (this.#writing = undefined));
    return this.#writing;
  }

  /** After the last record: keeps the head a last time. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.beat();
  }

  async #keep(): Promise<void> {
    try {
      const head = await this.#audit.read((table) => {
        requireGrown(this.#kept, table, this.#chain);
        return table.head();
      });
      if (head === undefined || head.seq === this.#kept?.seq) return;
      const { file, log } = this.#place;
      await syncToDisk(log);
      const draft = draftOf(file);
      {
        await using handle = await open(draft, "w", 0o600);
        await handle.writeFile(textOf(head));
        await handle.datasync();
      }
      await rename(draft, file);
      this.#kept = head;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#onError(error);
      this.#failing = true;
    }
  }
}

/** A log that is not there has been moved into the database, which SQLite syncs. */
async function syncToDisk(file: string): Promise<void> {
  try {
    await using handle = await open(file, "r");
    await handle.datasync();
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}

function syncToDiskNow(file: string): void {
  const fd = fs.openSync(file, "r");
  try {
    fs.fdatasyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function draftOf(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}`);
}

function textOf({ seq, hash, mac }: AuditHead): string {
  return `${JSON.stringify({ seq, hash, mac })}\n`;
}

function isHead(value: unknown): value is AuditHead {
  if (typeof value !== "object" || value === null || !("seq" in value && "hash" in value && "mac" in value))
    return false;
  const { seq, hash, mac } = value;
  return Number.isSafeInteger(seq) && typeof hash === "string" && typeof mac === "string";
}
