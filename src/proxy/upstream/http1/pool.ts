import { type Call, Connection, type ConnectionOptions } from "./connection.ts";

export type PoolOptions = Omit<ConnectionOptions, "onFree" | "onGone"> & {
  /** Most connections at a time. */
  readonly connections: number;
};

/** The connections to one instance. The one used last is used next, so that those not needed grow old and are closed. */
export class Pool {
  readonly #options: ConnectionOptions & { readonly connections: number };
  readonly #all = new Set<Connection>();
  /** Oldest first. */
  #idle: Connection[] = [];
  /** Freed in this turn of the event loop. */
  #resting: Connection[] = [];
  /** Calls without a connection, oldest first. Bounded by the gateway's concurrency gate. */
  #waiting: Call[] = [];
  #scheduled = false;
  #retired = false;

  constructor(options: PoolOptions) {
    this.#options = {
      ...options,
      onFree: (connection) => this.#freed(connection),
      onGone: (connection, broken) => this.#gone(connection, broken),
    };
  }

  start(call: Call): void {
    this.#waiting.push(call);
    this.#schedule();
  }

  /** Closes connections that have been idle since before `time` (`performance.now()`). */
  closeIdle(time: number): void {
    while (this.#idle[0] !== undefined && this.#idle[0].freeSince < time) this.#idle[0].destroy();
  }

  /** Starts nothing new once its calls are done; connections end with the calls they serve. */
  retire(): void {
    this.#retired = true;
    this.closeIdle(Number.POSITIVE_INFINITY);
  }

  destroy(): void {
    this.#retired = true;
    for (const connection of this.#all) connection.destroy();
  }

  /**
   * Calls get their connections at the end of the event-loop turn, when everything that had come in on idle connections
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
    const calls = this.#waiting;
    let next = 0;
    for (; next < calls.length; next++) {
      const call = calls[next] as Call;
      if (call.ended) continue;
      const { fresh } = call.request;
      const idle = fresh ? undefined : this.#idle.pop();
      if (idle !== undefined) idle.serve(call);
      else if (!fresh && calls.length - next <= this.#resting.length) break;
      else if (this.#hasRoom()) this.#connect(call);
      else break;
    }
    this.#waiting = next === calls.length ? [] : calls.slice(next);
    if (this.#resting.length > 0) this.#rested();
  };

  #connect(call: Call): void {
    call.handler.onConnecting();
    if (!call.ended) this.#all.add(new Connection(this.#options, call));
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

  /** One that broke under a call was not the only one to lose its other end: a further try must not meet the next. */
  #gone(connection: Connection, broken: boolean): void {
    this.#all.delete(connection);
    this.#idle = this.#idle.filter((other) => other !== connection);
    this.#resting = this.#resting.filter((other) => other !== connection);
    if (broken) this.closeIdle(Number.POSITIVE_INFINITY);
    if (this.#waiting.length > 0) this.#schedule();
  }
}
