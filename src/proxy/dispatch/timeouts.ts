import { NO_SETTINGS, type Settings } from "../../domain/settings/settings.ts";
import { GatewayError } from "../../errors.ts";

/**
 * How long one call may wait, and for what; all in milliseconds. It travels with the call, so that a sandbox or a route
 * can have its own.
 */
export interface Timeouts {
  /** For a free connection, when the instance has as many as it may have. */
  readonly poolMs: number;
  /** For an instance to accept a new connection. */
  readonly connectMs: number;
  /** For the first byte of the answer, counted from the end of the request. */
  readonly firstByteMs: number;
  /** For an instance that falls silent in the middle of its answer. */
  readonly idleMs: number;
  /** For the whole of an answer, counted from its head; Infinity for one that may go on. */
  readonly wholeMs: number;
  /** For the client: to send more of its body, or to read on. */
  readonly sendMs: number;
  /** For all of it: the queue, every try, the whole answer; Infinity when it may go on. Upgraded connections are exempt. */
  readonly totalMs: number;
  /** For an upgraded connection in which nothing moves, and for one at all; Infinity when it may grow as old as it likes. */
  readonly tunnelIdleMs: number;
  readonly tunnelMaxAgeMs: number;
}

/** The timeouts that hold where settings say nothing else; each set of settings is looked into once. */
export class TimeoutsBySettings {
  readonly #defaults: Timeouts;
  readonly #known = new WeakMap<Settings, Timeouts>();

  constructor(defaults: Timeouts) {
    this.#defaults = defaults;
  }

  of(settings: Settings): Timeouts {
    if (settings === NO_SETTINGS) return this.#defaults;
    let timeouts = this.#known.get(settings);
    if (timeouts === undefined) {
      const defaults = this.#defaults;
      timeouts = {
        ...defaults,
        connectMs: settings.connectTimeout ?? defaults.connectMs,
        firstByteMs: settings.firstByteTimeout ?? defaults.firstByteMs,
        idleMs: settings.idleTimeout ?? defaults.idleMs,
        totalMs: settings.totalTimeout ?? defaults.totalMs,
        tunnelIdleMs: settings.tunnelIdleTimeout ?? defaults.tunnelIdleMs,
        tunnelMaxAgeMs: settings.tunnelMaxAge ?? defaults.tunnelMaxAgeMs,
      };
      this.#known.set(settings, timeouts);
    }
    return timeouts;
  }
}

/**
 * How long a call may take in all, ms: what its client asks for in X-Request-Timeout-Ms, else `mostMs`.
 * @throws GatewayError VAL_010 when it asks for more than that, or for no time that there is.
 */
export function totalOf(asked: string | undefined, mostMs: number): number {
  if (asked === undefined) return mostMs;
  if (!WHOLE_MS.test(asked)) throw wrong("not a whole number of milliseconds from 1");
  const ms = Number(asked);
  if (ms > mostMs) throw wrong(`a call here may take ${mostMs} ms, not ${ms}`);
  return ms;
}

const WHOLE_MS = /^[1-9][0-9]{0,9}$/;

function wrong(reason: string): GatewayError {
  return new GatewayError("VAL_010", { details: `X-Request-Timeout-Ms: ${reason}` });
}
