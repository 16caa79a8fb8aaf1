// When a call is tried again, and where: the only place that decides it. Pure, so that its promises can be tested as such.

import type { FailureKind } from "./failure.ts";

/** What is known of a call when an attempt at it has failed before any of the answer came. */
export interface Attempted {
  /** How the last attempt failed. */
  readonly kind: FailureKind;
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
  if (kind !== "broken") return "another";
  return repeatable && sends === 1 ? "again" : "no";
}

/** RFC 9110 section 9.2.2, without the ones nobody forwards. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}
