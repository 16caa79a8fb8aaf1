import type { ChildProcess } from "node:child_process";
import { spawnChild } from "../../executable.ts";
import { FrameReader, writeFrame } from "./frames.ts";
import { type Failure, FRAME, type JobHead, LARGEST_FRAME } from "./job.ts";

/** Milliseconds in which a mapper must be there. */
const START_MS = 10_000;

export type Mapped = Buffer | Failure;

/** One mapper, seen from where it was started. It does one job at a time and is ended when it takes too long for it. */
export class MapperProcess {
  readonly #child: ChildProcess;
  readonly #ready = Promise.withResolvers<boolean>();
  #done: ((result: Mapped) => void) | undefined;
  #gone = false;

  constructor(onGone: () => void) {
    this.#child = spawnChild("mapper", [], { stdio: ["pipe", "pipe", "ignore"] });
    const { stdin, stdout } = this.#child;
    const reader = new FrameReader(LARGEST_FRAME, (kind, content) => this.#receive(kind, content));
    stdin?.on("error", () => undefined); // it ended: "close" tells
    stdout?.on("error", () => undefined).on("data", (chunk: Buffer) => this.#read(reader, chunk));
    this.#child.once("error", () => this.#end(onGone));
    this.#child.once("close", () => this.#end(onGone));
  }

  /** Does a job; `body` belongs to it from here on. Never rejects. */
  async map(head: JobHead, body: Buffer): Promise<Mapped> {
    const late = setTimeout(() => this.kill(), START_MS);
    const isReady = await this.#ready.promise;
    clearTimeout(late);
    if (!isReady || this.#gone) return failure("busy", "No process for it can be started");
    const { promise, resolve } = Promise.withResolvers<Mapped>();
    this.#done = resolve;
    const stdin = this.#child.stdin as NonNullable<ChildProcess["stdin"]>;
    writeFrame(stdin, FRAME.job, Buffer.from(JSON.stringify(head)));
    writeFrame(stdin, FRAME.body, body);
    // When it is our own thread that was late, the answer may be there to be read: it is, before setImmediate.
    const over = setTimeout(() => setImmediate(() => this.#giveUp(resolve, head)), head.timeoutMs);
    const result = await promise;
    clearTimeout(over);
    return result;
  }

  /** It can do another job. */
  get isUsable(): boolean {
    return !this.#gone && !this.#child.killed;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #giveUp(resolve: (result: Mapped) => void, { timeoutMs }: JobHead): void {
    if (this.#done !== resolve) return;
    this.#finish(failure("time", `The expression takes longer than ${timeoutMs} ms`));
    this.kill();
  }

  #read(reader: FrameReader, chunk: Buffer): void {
    try {
      reader.read(chunk);
    } catch {
      this.kill(); // no longer the program we started
    }
  }

  #receive(kind: number, content: Buffer): void {
    if (kind === FRAME.ready) return this.#ready.resolve(true);
    this.#finish(kind === FRAME.result ? content : (JSON.parse(content.toString()) as Failure));
  }

  #finish(result: Mapped): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(result);
  }

  #end(onGone: () => void): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#ready.resolve(false);
    this.#finish(failure("memory", "The expression takes too much memory, or has ended its process"));
    onGone();
  }
}

export function failure(reason: Failure["reason"], details: string): Failure {
  return { reason, details, message: details };
}
