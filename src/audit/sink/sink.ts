import { type FileHandle, open, stat } from "node:fs/promises";
import type { AuditLink, AuditLog } from "../../store/audit-log.ts";
import { entriesOf } from "../entries.ts";
import type { LastLine } from "./last-line.ts";

const BEAT_MS = 250;
/** Links read at once; each holds up to 1,000 records. */
const PAGE = 20;

/**
 * Writes every record to a file too, a line of JSON each, once it is committed: for whoever collects logs, and as evidence that
 * lies elsewhere. No call waits for it. What cannot be written is written later, from the chain; a file that was moved away is
 * followed by a new one. Each record stands there once, but for the last few after a crash.
 */
export class AuditSink {
  readonly #file: string;
  readonly #log: Pick<AuditLog, "read">;
  readonly #onError: (error: unknown) => void;
  /** Number of the last record that is written. */
  #position: number;
  #handle: FileHandle | undefined;
  #inode = 0n;
  /** The last page, and what the file has not taken of it. */
  #page: Buffer = Buffer.alloc(0);
  #rest: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #failing = false;

  constructor(options: {
    file: string;
    log: Pick<AuditLog, "read">;
    /** What the file ends with; undefined: it begins with the first record that there is. */
    last: LastLine | undefined;
    /** Told once each time that writing begins to fail. */
    onError: (error: unknown) => void;
  }) {
    this.#file = options.file;
    this.#log = options.log;
    this.#position = options.last?.seq ?? 0;
    this.#onError = options.onError;
  }

  start(): void {
    this.#timer = setInterval(() => void this.beat(), BEAT_MS);
  }

  /** Writes what there is by now. Never rejects. */
  beat(): Promise<void> {
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
    return this.#writing;
  }

  /** After the last record: writes a last time. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.beat();
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #write(): Promise<void> {
    try {
      const handle = await this.#opened();
      await this.#writeRest(handle);
      for (;;) {
        const links = await this.#log.read((table) => table.after(this.#position, PAGE));
        if (links.length === 0) break;
        this.#page = Buffer.from(linesOf(links, this.#position));
        this.#rest = this.#page;
        this.#position = (links.at(-1) as AuditLink).seq;
        await this.#writeRest(handle);
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#onError(error);
      this.#failing = true;
    }
  }

  /** A disk that is nearly full takes a part: the rest has to follow it, and nothing else. */
  async #writeRest(handle: FileHandle): Promise<void> {
    while (this.#rest.length > 0) {
      const { bytesWritten } = await handle.write(this.#rest);
      this.#rest = this.#rest.subarray(bytesWritten);
    }
  }

  /** The file of that name, which may be another than before. */
  async #opened(): Promise<FileHandle> {
    if (this.#handle !== undefined && (await inodeOf(this.#file)) === this.#inode) return this.#handle;
    const isFirst = this.#handle === undefined;
    await this.#handle?.close();
    this.#handle = undefined;
    const handle = await open(this.#file, "a+", 0o600);
    const { ino, size } = await handle.stat({ bigint: true });
    // Half a line, after a crash, must not become one with the next; nor may half of one be in a file that was moved away.
    if (this.#rest.length > 0) this.#rest = this.#page;
    if (isFirst && size > 0n && !(await endsLine(handle, Number(size)))) await handle.write("\n");
    this.#inode = ino;
    this.#handle = handle;
    return handle;
  }
}

async function inodeOf(file: string): Promise<bigint | undefined> {
  try {
    return (await stat(file, { bigint: true })).ino;
  } catch {
    return undefined; // moved away
  }
}

async function endsLine(handle: FileHandle, size: number): Promise<boolean> {
  const { buffer } = await handle.read({ buffer: Buffer.alloc(1), position: size - 1 });
  return buffer[0] === 0x0a;
}

/** Each record with its number, and the hash of the link it was committed with; a line that says so where some are missing. */
function linesOf(links: readonly AuditLink[], position: number): string {
  const entries = entriesOf(links).filter(({ seq }) => seq > position);
  const first = entries[0]?.seq ?? 0;
  const lines = entries.map(({ seq, hash, record }) => `{"seq":${seq},"hash":"${hash}",${record.slice(1)}\n`);
  if (position === 0 || first === position + 1) return lines.join("");
  return `{"seq":${first - 1},"hash":"","kind":"gap","from":${position + 1}}\n${lines.join("")}`;
}
