import { closeSync } from "node:fs";
import { duplicate } from "./duplicate.ts";

/**
 * Listening sockets that all data threads accept from, each thread under descriptors of its own: a thread that ends closes
 * those and no others. What waits in a socket's queue belongs to all of them, so one that ends loses nobody.
 */
export class SharedSockets {
  readonly #fds: readonly number[];
  readonly #threads: number;
  readonly #first: Promise<readonly number[]>;
  readonly #taken = new Set<number>();

  constructor(options: {
    /** At least one. They stay open until the process ends, or `close`. */
    fds: readonly number[];
    threads: number;
  }) {
    this.#fds = options.fds;
    this.#threads = options.threads;
    this.#first = duplicate(this.#pairs().map(({ fd }) => fd)); // takes a while: threads will ask for it later
    this.#first.catch(() => undefined);
  }

  get fds(): readonly number[] {
    return this.#fds;
  }

  /** Descriptors for a thread that starts now: at least one, and each socket has a thread. @throws GatewayError GW_018 */
  async take(thread: number): Promise<readonly number[]> {
    const pairs = this.#pairs();
    const own = pairs.flatMap((pair, at) => (pair.thread === thread ? [at] : []));
    if (this.#taken.has(thread)) return duplicate(own.map((at) => (pairs[at] as (typeof pairs)[number]).fd));
    this.#taken.add(thread);
    const duplicates = await this.#first;
    return own.map((at) => duplicates[at] as number);
  }

  /** Nobody waits in them for this process any more: what comes now is refused, unless another process has them too. */
  close(): void {
    for (const fd of this.#fds) closeSync(fd);
  }

  /** Each thread with a socket, and each socket with a thread. */
  #pairs(): readonly { readonly thread: number; readonly fd: number }[] {
    return Array.from({ length: Math.max(this.#threads, this.#fds.length) }, (_, at) => ({
      thread: at % this.#threads,
      fd: this.#fds[at % this.#fds.length] as number,
    }));
  }
}
