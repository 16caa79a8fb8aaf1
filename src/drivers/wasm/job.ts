import { z } from "zod";
import type { ExecutionResult } from "../../domain/execution.ts";

/** One run, as the host gives it to a runner: everything decided, nothing optional. */
export const Job = z.strictObject({
  language: z.enum(["python", "javascript", "bash"]),
  code: z.string(),
  stdin: z.string(),
  env: z.record(z.string(), z.string()),
  /** Absolute. */
  cwd: z.string(),
  /** Path, absolute or below `cwd`, to content. */
  files: z.record(z.string(), z.string()),
  timeoutMs: z.int().positive(),
});

export type Job = z.infer<typeof Job>;

/** How a run ended. The runner may have been taken over by what it ran, so the host checks even this. */
export const Outcome: z.ZodType<Outcome> = z.strictObject({
  status: z.enum(["ok", "error", "timeout", "killed"]),
  stdout: z.string(),
  stderr: z.string(),
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  error: z.strictObject({ name: z.string(), value: z.string(), traceback: z.array(z.string()) }).nullable(),
  truncated: z.boolean(),
});

export type Outcome = Omit<ExecutionResult, "results">;
