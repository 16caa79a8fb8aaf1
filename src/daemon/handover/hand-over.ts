import { GatewayError } from "../../errors.ts";
import type { Log } from "../parts/log.ts";
import type { Ownership } from "./ownership.ts";
import type { TakeoverSockets } from "./messages.ts";
import { type Program, Successor } from "./successor.ts";

/** Replaces the running process by another one, of this program or a newer: once, or not at all. */
export class HandOver {
  readonly #ownership: Ownership;
  readonly #sockets: () => TakeoverSockets;
  readonly #revision: () => number | undefined;
  readonly #log: Log;
  readonly #args: readonly string[];
  readonly #done = Promise.withResolvers<void>();
  #successor: Successor | undefined;
  #attempt: Promise<number> | undefined;
  #closed = false;
  #replaced = false;

  constructor(options: {
    ownership: Ownership;
    /** What to pass on now. */
    sockets: () => TakeoverSockets;
    /** The revision that the threads of this process serve. */
    revision: () => number | undefined;
    /** What any program that is to take over is started with, beside its own. */
    args: readonly string[];
    log: Log;
  }) {
    this.#ownership = options.ownership;
    this.#sockets = options.sockets;
    this.#revision = options.revision;
    this.#log = options.log;
    this.#args = options.args;
  }

  /** Resolves when another process serves: this one has only to finish what it has begun. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /**
   * Resolves with the other process's number when it serves.
   * @throws GatewayError GW_019 when there is a hand-over already, or no more is to be; GW_020 when the other process cannot
   *   serve: then this one does as before.
   */
  begin(program: Program): Promise<number> {
    if (this.#closed) return Promise.reject(new GatewayError("GW_019", { details: "the gateway is stopping" }));
    if (this.#attempt !== undefined) {
      return Promise.reject(new GatewayError("GW_019", { details: "a hand-over is under way" }));
    }
    this.#attempt = this.#try(program).finally(() => (this.#attempt = undefined));
    return this.#attempt;
  }

  /** What this process serves has changed: its successor is told. */
  serves(revision: number): void {
    this.#successor?.serves(revision);
  }

  /** This process is to stop: an attempt that is under way is given up. Resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#attempt === undefined || this.#replaced) return;
    await this.#successor?.kill();
    await this.#attempt.catch(() => undefined);
  }

  async #try(program: Program): Promise<number> {
    const { command, args } = program;
    const successor = new Successor({ command, args: [...args, ...this.#args] }, this.#sockets());
    this.#successor = successor;
    this.#log.info({ program: command, pid: successor.pid }, "handing over to another process");
    try {
      await successor.ready();
      await this.#ownership.giveUp();
      await successor.takesOver(this.#revision() ?? 0);
    } catch (error) {
      await successor.kill();
      this.#successor = undefined;
      if (!this.#ownership.isHeld) await this.#ownership.takeBack();
      this.#log.error({ error: String(error) }, "the other process cannot serve: this one goes on");
      throw error;
    }
    this.#closed = true;
    this.#replaced = true;
    successor.onLost((problem) => {
      this.#log.error({ pid: successor.pid, problem }, "the process that took over is gone: start the gateway again");
    });
    this.#log.info({ pid: successor.pid }, "another process serves: this one finishes what it has begun");
    this.#done.resolve();
    return successor.pid;
  }
}
