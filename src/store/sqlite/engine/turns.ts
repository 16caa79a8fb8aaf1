import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { GatewayError } from "../../../errors.ts";
import { type Connection, isLocked } from "./connection.ts";

/** Runs `work` on the connection once it is the caller's turn. */
export type Access = <T>(work: () => T) => Promise<T>;

/** Runs `work` now. @throws GatewayError GW_001 when it is not the caller's turn. */
export type Within = <T>(work: () => T) => T;

/** One transaction of one flow. */
interface Turn {
  open: boolean;
  /** The error with which SQLite undid it by itself: a full disk, an I/O error. */
  undoneBy: unknown;
}

/** How often a lock that another connection holds is asked for; milliseconds. */
const PAUSE = 5;

/**
 * Whose turn it is on the one connection of a process. SQLite knows nobody but the connection, so a statement of another
 * flow would run inside whatever transaction is open: here everybody comes one after the other. A transaction ends in the
 * turn of the event loop in which it began: one that is still open when there is nothing left to run but the loop itself
 * waits for something that is not the database.
 */
export class Turns {
  readonly #connection: Connection;
  readonly #flow = new AsyncLocalStorage<Turn>();
  /** The transaction that is open now. */
  #open: Turn | undefined;
  /** Settled when everybody who has come so far has had their turn. */
  #last: Promise<unknown> = Promise.resolve();
  /** How many of them have not. */
  #waiting = 0;

  constructor(connection: Connection) {
    connection.stopWaiting();
    this.#connection = connection;
  }

  /** For whoever has no transaction of their own: `work` is one statement, or a few that only read. */
  readonly alone: Access = (work) => {
    if (this.#isInside()) return Promise.reject(misuse("inside a transaction only its own tables can be used"));
    return this.#inTurn(() => this.#patiently(work));
  };

  /** For the audit log's synchronous calls: refused while a transaction is open. */
  readonly between: Within = (work) => {
    if (this.#open !== undefined) throw misuse("the audit log was used while a state transaction is open");
    return work();
  };

  /** See StateStore.transaction. `work` is given the ways into this transaction; they are closed with it. */
  transaction<T>(work: (access: Access, within: Within) => Promise<T>): Promise<T> {
    if (this.#isInside()) return Promise.reject(misuse("a transaction inside a transaction"));
    return this.#inTurn(() => this.#transact(work));
  }

  /** When everybody has had their turn. */
  close(): Promise<void> {
    return this.#inTurn(async () => this.#connection.close());
  }

  /** Whether the caller runs in an open transaction. */
  #isInside(): boolean {
    return this.#flow.getStore()?.open === true;
  }

  /** At once when nobody else is there. */
  #inTurn<T>(begin: () => Promise<T>): Promise<T> {
    const done = this.#waiting === 0 ? begin() : this.#last.then(begin);
    this.#waiting += 1;
    const leave = (): void => void (this.#waiting -= 1);
    this.#last = done.then(leave, leave);
    return done;
  }

  /** Waits for another connection's lock without holding up the thread. */
  async #patiently<T>(work: () => T): Promise<T> {
    const deadline = performance.now() + this.#connection.busyTimeout;
    for (;;) {
      try {
        return work();
      } catch (error) {
        if (!isLocked(error) || performance.now() > deadline) throw error;
      }
      await sleep(PAUSE);
    }
  }

  /** What came after the end of a transaction, even one that SQLite has ended, would be a commit of its own. */
  #within<T>(turn: Turn, statement: () => T): T {
    if (!turn.open) throw misuse("the transaction is over");
    if (turn.undoneBy !== undefined) throw turn.undoneBy;
    try {
      return statement();
    } catch (error) {
      if (!this.#connection.inTransaction) turn.undoneBy = error;
      throw error;
    }
  }

  async #transact<T>(work: (access: Access, within: Within) => Promise<T>): Promise<T> {
    const turn: Turn = { open: true, undoneBy: undefined };
    const within: Within = (statement) => this.#within(turn, statement);
    await this.#patiently(() => {
      this.#connection.begin();
      this.#open = turn;
    });
    try {
      const done = this.#flow.run(turn, () => work(async (statement) => within(statement), within));
      const result = await Promise.race([done, lateness(turn)]);
      if (turn.undoneBy !== undefined) throw turn.undoneBy;
      this.#connection.commit();
      return result;
    } catch (error) {
      this.#connection.rollback();
      throw error;
    } finally {
      turn.open = false;
      this.#open = undefined;
    }
  }
}

/**
 * Is rejected when everything that could run has run and the transaction is still open. A microtask's `nextTick` comes
 * when no microtask is left, and before the event loop goes on to timers, sockets or setImmediate.
 */
function lateness(turn: Turn): Promise<never> {
  return new Promise((_, reject) =>
    queueMicrotask(() =>
      process.nextTick(() => {
        if (turn.open) reject(misuse("a transaction waited for something else than its own tables"));
      }),
    ),
  );
}

function misuse(details: string): GatewayError {
  return new GatewayError("GW_001", { details });
}
