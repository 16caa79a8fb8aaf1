// When a call is tried again, and where: the only place that decides it. Pure, so that its promises can be tested as such.

import type { FailureKind } from "./failure.ts";

/** How an attempt ended: without an answer, or with one (502, 503, 504) that a sandbox's settings have taken for none. */
export type Ending = FailureKind | "unavailable";

/** What is known of a call when an attempt at it has failed before any of the answer came. */
export interface Attempted {
  /** How the last attempt failed. */
  readonly kind: Ending;
  /** Attempts so far, the last one included. */
  readonly attempts: number;
  /** How many of them may have reached an instance. */
  readonly sends: number;
  /** The call may be sent again after it may have reached an instance. */
  readonly repeatable: boolean;
  readonly maxRetries: number;
}

/**
 * - `no`: the failure is the answer.
 * - `another`: an instance that has not been tried.
 * - `again`: the same, but where there is none the last one again, on a new connection: a kept one may have lost its other
 *   end unnoticed, and so may those beside it.
 */
export type Retry = "no" | "another" | "again";

/**
 * What never reached an instance may go to another one, whatever it is. What may have reached one is sent once more if
 * repeating it is harmless. An instance that answered, however badly, would answer so again.
 */
export function retryAfter({ kind, attempts, sends, repeatable, maxRetries }: Attempted): Retry {
  if (attempts > maxRetries || kind === "invalid") return "no";
  if (kind !== "broken" && kind !== "unavailable") return "another";
  return repeatable && sends === 1 ? "again" : "no";
}

/** The longest that a call waits because its instance says so; longer, its answer goes to the client. */
const LONGEST_WAIT_MS = 5_000;

/** Whether an answer says that the instance, or what is behind it, cannot serve now. */
export function isUnavailable(status: number): boolean {
  return status >= 502 && status <= 504;
}

/**
 * How long an instance that cannot serve now wants to be left alone, ms; 0 when it does not say. undefined: longer than a
 * call waits. `fields`: lower-case name, value, name, value… `now`: ms since the epoch (RFC 9110 section 10.2.3 allows a date).
 */
export function askedWaitMs(fields: readonly string[], now: number): number | undefined {
  let asked = 0;
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== "retry-after") continue;
    const value = fields[index + 1] as string;
    const ms = DIGITS.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
    if (ms > asked) asked = ms;
  }
  return asked <= LONGEST_WAIT_MS ? asked : undefined;
}

const DIGITS = /^[0-9]+$/;

/** RFC 9110 section 9.2.2, without the ones nobody forwards. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}
