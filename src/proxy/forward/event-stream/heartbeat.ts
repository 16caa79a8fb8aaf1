import type { Deadlines, Watched } from "../../request/deadlines.ts";

/** A comment, and the end of an event that has no data: readers drop both (HTML Standard, section 9.2.6). */
const COMMENT = ":\n\n";
const CR = 0x0d;
const LF = 0x0a;
const BYTE_ORDER_MARK = Buffer.from("\ufeff");

/** Fields that make of a body something else than the bytes of its events, or that no byte more would agree with. */
const FORBIDDING: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-length",
  "content-digest",
  "repr-digest",
  "digest",
  "content-md5",
  "trailer",
]);

/** Whether a comment may be put between the events of an answer. `raw`: the instance's fields: lower-case name, value, … */
export function mayBeat(status: number, raw: readonly string[]): boolean {
  if (status !== 200) return false;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string;
    if (FORBIDDING.has(name) && !(name === "content-encoding" && raw[index + 1] === "identity")) return false;
  }
  return true;
}

/**
 * Keeps a quiet event stream alive for whatever is between us and the client: when nothing has come for `afterMs` it writes
 * a comment, but only between two events. What the instance has begun it must end itself.
 */
export class Heartbeat implements Watched {
  deadline = Number.POSITIVE_INFINITY;
  place = -1;
  readonly #to: { readonly writableLength: number; write(text: string): boolean };
  readonly #deadlines: Deadlines;
  readonly #afterMs: number;
  /** The last three bytes of the stream, before which a line has ended. */
  #tail: readonly number[] = [LF, LF, LF];
  /** The first thing in the stream came from here. */
  #began = false;
  #sawBytes = false;

  constructor(options: {
    to: { readonly writableLength: number; write(text: string): boolean };
    deadlines: Deadlines;
    afterMs: number;
  }) {
    this.#to = options.to;
    this.#deadlines = options.deadlines;
    this.#afterMs = options.afterMs;
  }

  start(): void {
    this.#wait();
    this.#deadlines.watch(this);
  }

  stop(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.#deadlines.unwatch(this);
  }

  /** Of the stream's next bytes those that are to be written: no byte order mark behind a comment, where it would be text. */
  pass(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const isMarked = this.#began && !this.#sawBytes && chunk.subarray(0, 3).equals(BYTE_ORDER_MARK);
    this.#sawBytes = true;
    this.#tail = [...this.#tail, ...chunk.subarray(-3)].slice(-3);
    this.#wait();
    return isMarked ? chunk.subarray(3) : chunk;
  }

  expire(): void {
    this.#wait();
    // Who has not read what there is needs no sign of life.
    if (!this.#isBetweenEvents() || this.#to.writableLength > 0) return;
    this.#began ||= !this.#sawBytes;
    this.#to.write(COMMENT);
  }

  /** Whether the stream ends with an empty line. Lines end with CR, LF, or both. */
  #isBetweenEvents(): boolean {
    const [third, second, last] = this.#tail;
    if (last !== LF && last !== CR) return false;
    const before = last === LF && second === CR ? third : second;
    return before === LF || before === CR;
  }

  #wait(): void {
    this.deadline = performance.now() + this.#afterMs;
  }
}
