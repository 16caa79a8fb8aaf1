import type { Variables } from "../../domain/transform/template.ts";

/** What a mapper is told before it is given a body. */
export interface JobHead {
  readonly expression: string;
  readonly variables: Variables;
  /** Bytes. */
  readonly maxOutput: number;
  /** Milliseconds, after which the expression gives up where it can; the process is ended where it cannot. */
  readonly timeoutMs: number;
}

/** Why there is no result. */
export interface Failure {
  /**
   * - `input`: the body is no JSON that could be transformed without loss.
   * - `expression`: it failed on this body.
   * - `output`: what it makes is no JSON, or too much.
   * - `time`, `memory`: it took too much.
   * - `busy`: its turn did not come.
   */
  readonly reason: "input" | "expression" | "output" | "time" | "memory" | "busy";
  /** Fit for anybody's eyes: nothing of the body is in it, unless the expression itself has put it there ($error). */
  readonly details: string;
  /** All that is known, for whoever wrote the expression. */
  readonly message: string;
}

/** Kinds of frames: to a mapper, and from it. */
export const FRAME = { job: 1, body: 2, ready: 3, result: 4, failure: 5 } as const;

/** Bytes of any frame: the largest body there may be, and some. */
export const LARGEST_FRAME = 9 * 1024 ** 2;
/** The longest any job may take, ms. */
export const LONGEST_JOB_MS = 5_000;
/** Megabytes of a mapper's heap. */
export const MEMORY_MB = 192;
