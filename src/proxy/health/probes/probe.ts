import type { HealthCheck } from "../../../domain/instance/health.ts";
import type { Instance } from "../../../domain/sandbox.ts";
import type { Reached } from "../../upstream/reach/reach.ts";

/** What came of one check: null = the instance is well; else why it is not, in words fit for a log and a screen. */
export type Finding = string | null;

/** Whom a check is about, and how it is made. */
export interface Target {
  readonly instance: Instance;
  readonly check: HealthCheck;
  /** The Host field it is told; null = its own address. */
  readonly told: string | null;
  /** How it is reached. @throws Error when a PEM text that belongs to it is none. */
  readonly reached: () => Reached;
  /** The whole path of the program of an exec check; "" of others. */
  readonly program: string;
}

/** A check that is being made. */
export interface Asking {
  /** Ends it at once and leaves nothing behind: no socket, no process. Nothing is told any more. */
  cancel(): void;
}

/**
 * Makes one check. `done` is told once, in a later turn of the event loop. Whoever asks watches over the time: a check that
 * has none left is cancelled.
 * @throws Error when it cannot even be begun.
 */
export type Ask = (target: Target, done: (finding: Finding) => void) => Asking;

/** What people may know of why something failed: a code where there is one. No addresses, no bytes of the other side's. */
export function reasonOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "connection failed";
}
