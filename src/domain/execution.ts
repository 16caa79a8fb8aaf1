/** What a client asks of `POST /api/v1/sandbox/execute`, already validated. */
export interface ExecuteRequest {
  readonly sandboxId: string;
  readonly operation: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Milliseconds the sandbox may spend; undefined = the sandbox's own limit. */
  readonly timeoutMs: number | undefined;
}

export type ExecutionStatus = "ok" | "error" | "timeout" | "killed" | "compile_error";

/** The normalised result: the same shape whatever runtime did the work. */
export interface ExecutionResult {
  readonly status: ExecutionStatus;
  readonly stdout: string;
  readonly stderr: string;
  readonly exit_code: number | null;
  readonly signal: string | null;
  /** Rich outputs, each a map from media type to data. */
  readonly results: readonly Readonly<Record<string, unknown>>[];
  readonly error: { readonly name: string; readonly value: string; readonly traceback: readonly string[] } | null;
  /** True when stdout or stderr was cut at a limit. */
  readonly truncated: boolean;
}
