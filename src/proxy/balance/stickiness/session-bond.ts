import type { Instance, Sandbox } from "../../../domain/sandbox.ts";
import type { Bond } from "../../request/exchange.ts";
import { bestOf } from "../strategies/rendezvous.ts";
import type { SessionKey, SessionTable } from "./session-table.ts";

export interface SessionBondOptions {
  readonly sandbox: Sandbox;
  readonly key: SessionKey;
  /** Decides where the session begins: the same on all threads, and after a restart. */
  readonly hash: number;
  readonly ttlSeconds: number;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** Binds a request by what it says of its session. Which instance that is, the gateway keeps. */
export class SessionBond implements Bond {
  readonly instance: Instance | undefined;
  readonly cookie = null;
  readonly #sessions: SessionTable;
  readonly #o: SessionBondOptions;
  readonly #until: number;

  constructor(sessions: SessionTable, options: SessionBondOptions) {
    this.#sessions = sessions;
    this.#o = options;
    const known = sessions.find(options.key, options.now);
    this.#until = known?.until ?? 0;
    this.instance = options.sandbox.instances.find(({ number }) => number === known?.number);
  }

  first(candidates: readonly Instance[]): Instance {
    return bestOf(candidates, this.#o.hash);
  }

  tie(instance: Instance): void {
    const { key, ttlSeconds, now } = this.#o;
    const left = this.#until - now;
    if (instance === this.instance && left > ttlSeconds / 2 && left <= ttlSeconds) return;
    this.#sessions.put(key, { number: instance.number, until: now + ttlSeconds });
  }
}
