import { type Attempt, Connection, type ConnectionOptions } from "./connection.ts";

export type PoolOptions = Omit<ConnectionOptions, "onFree" | "onGone"> & {
  /** Most connections at a time. */
  readonly connections: number;
};

/** The connections to one port of an instance. The one used last is used next, so that those not needed grow old and are closed. */
export class Pool {
  readonly #options: ConnectionOptions & { readonly connections: number };
  readonly #all = new Set<Connection>();
  /** Oldest first. */
  #idle: Connection[] = [];
  /** Freed in this turn of the event loop. */
  #resting: Connection[] = [];
  /** Attempts without a connection, oldest first. Bounded by the gateway's concurrency gate. */
  #waiting: Attempt[] = [];
  #scheduled = false;
  #retired = false;

  constructor(options: PoolOptions) {
    this.#options = {
      ...options,
      onFree: (connection) => this.#freed(connection),
      onGone: (connection, broken) => this.#gone(connection, broken),
    };
  }

  /** It has no connection, and nobody waits for one. */
  get isEmpty(): boolean {
    return this.#all.size === 0 && this.#waiting.length === 0;
  }

  start(attempt: Attempt): void {
    this.#waiting.push(attempt);
    this.#schedule();
  }

  /** Closes connections that have been idle since before `time` (`performance.now()`). */
  closeIdle(time: number): void {
    while (this.#idle[0] !== undefined && this.#idle[0].freeSince < time) this.#idle[0].destroy();
  }

  /** Learns where the instance is by now, and lets go of connections to where it was. */
  follow(): void {
    const { dialer } = this.#options;
    if (dialer.hasLeft === undefined || this.#all.size === 0) return;
    dialer.refresh?.();
    for (const connection of this.#all) {
      if (connection.address !== "" && dialer.hasLeft(connection.address)) connection.retire();
    }
  }

  /** Starts nothing new once its attempts are done; connections end with the attempts they serve. */
  retire(): void {
    this.#retired = true;
    this.closeIdle(Number.POSITIVE_INFINITY);
  }

  destroy(): void {
    this.#retired = true;
    for (const connection of this.#all) connection.destroy();
  }

  /**
   * Attempts get their connections at the end of the event-loop turn, when everything that had come in on idle connections
   * has been read: a connection that was closed, or on which bytes came that nobody asked for, is gone by then and
   * cannot be taken for a good one. Many servers close right after an answer without having said so, which is why one
   * that has just answered rests for a whole turn.
   */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#assign);
  }

  readonly #assign = (): void => {
    this.#scheduled = false;
    const attempts = this.#waiting;
    let next = 0;
    for (; next < attempts.length; next++) {
      const attempt = attempts[next] as Attempt;
      if (attempt.ended) continue;
      const { fresh } = attempt.request;
      const idle = fresh ? undefined : this.#takeIdle();
      if (idle !== undefined) idle.serve(attempt);
      else if (!fresh && attempts.length - next <= this.#resting.length) break;
      else if (this.#hasRoom()) this.#connect(attempt);
      else break;
    }
    this.#waiting = next === attempts.length ? [] : attempts.slice(next);
    if (this.#resting.length > 0) this.#rested();
  };

  /** One that its instance still keeps. When the last one used is not, none is: they are let go of. */
  #takeIdle(): Connection | undefined {
    const last = this.#idle.pop();
    if (last === undefined || last.goodUntil > performance.now()) return last;
    last.destroy();
    this.closeIdle(Number.POSITIVE_INFINITY);
    return undefined;
  }

  #connect(attempt: Attempt): void {
    attempt.handler.onConnecting();
    if (!attempt.ended) this.#all.add(new Connection(this.#options, attempt));
  }

  /** Room for one more connection; an idle one that may not be used gives way. */
  #hasRoom(): boolean {
    if (this.#all.size >= this.#options.connections) this.#idle[0]?.destroy();
    return this.#all.size < this.#options.connections;
  }

  #rested(): void {
    this.#idle.push(...this.#resting);
    this.#resting = [];
    if (this.#waiting.length > 0) this.#schedule();
    else if (this.#retired) this.closeIdle(Number.POSITIVE_INFINITY);
  }

  #freed(connection: Connection): void {
    connection.freeSince = performance.now();
    this.#resting.push(connection);
    this.#schedule();
  }

  /** One that broke under an attempt was not the only one to lose its other end: a further try must not meet the next. */
  #gone(connection: Connection, broken: boolean): void {
    this.#all.delete(connection);
    this.#idle = this.#idle.filter((other) => other !== connection);
    this.#resting = this.#resting.filter((other) => other !== connection);
    if (broken) this.closeIdle(Number.POSITIVE_INFINITY);
    if (this.#waiting.length > 0) this.#schedule();
  }
}
