import { z } from "zod";

/** What one instance of the embedded sandbox may use. */
export const WasmLimits = z.strictObject({
  /** Milliseconds of a run that asks for no limit of its own. */
  timeoutMs: z.int().positive(),
  /** The most milliseconds a run may ask for. */
  maxTimeoutMs: z.int().positive(),
  /** Milliseconds after which a run that could not begin is refused. */
  beginMs: z.int().positive(),
  /** Bytes kept of each of stdout and stderr. */
  outputBytes: z.int().positive(),
  /** Resident memory of one run, its runtime included (about 75 MB for bash, 160 MB for Python). */
  memoryBytes: z.int().positive(),
  /** Runs at the same time; eight times as many may wait. */
  maxRuns: z.int().positive(),
  /** Size of a request's body. */
  bodyBytes: z.int().positive(),
});

export type WasmLimits = z.infer<typeof WasmLimits>;
