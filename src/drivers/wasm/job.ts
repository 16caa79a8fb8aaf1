import { z } from "zod";
import type { ExecutionResult } from "../../domain/execution.ts";

export type Language = "python" | "javascript" | "typescript" | "bash";

/** One run, as the host gives it to a runner: everything decided, nothing optional. */
export interface Job {
  readonly language: Language;
  readonly code: string;
  readonly stdin: string;
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. */
  readonly cwd: string;
  /** Path, absolute or below `cwd`, to content. */
  readonly files: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** How a run ended. The runner may have been taken over by what it ran, so the host checks even this. */
export const Outcome: z.ZodType<Outcome> = z.strictObject({
  status: z.enum(["ok", "error", "timeout", "killed"]),
  stdout: z.string(),
  stderr: z.string(),
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  error: z.strictObject({ name: z.string(), value: z.string(), traceback: z.array(z.string()) }).nullable(),
  truncated: z.boolean(),
  results: z.array(z.record(z.string(), z.string())),
});

export type Outcome = Omit<ExecutionResult, "resultsJson"> & {
  /** Rich outputs, each a map from media type to text. */
  readonly results: readonly Readonly<Record<string, string>>[];
};

/** Why a run did not end by itself, or did not begin. */
export function problem(name: string, value: string): NonNullable<Outcome["error"]> {
  return { name, value, traceback: [] };
}

export function timeoutOf({ timeoutMs }: Job): NonNullable<Outcome["error"]> {
  return problem("Timeout", `ran longer than ${timeoutMs} ms`);
}
