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
}
