/** What a client asks of `POST /api/v1/sandbox/execute`, already validated. */
export interface ExecuteRequest {
  readonly sandboxId: string;
  readonly operation: string;
  /** The payload as the client wrote it: an object, valid UTF-8, bounded in depth and members, no name twice. */
  readonly payloadJson: Buffer;
  /** As the payload names it; empty when it does not. */
  readonly language: string;
  /** Of the code or command the operation runs: bytes as UTF-8, and SHA-256 in hex. */
  readonly codeBytes: number;
  readonly codeSha256: string;
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
  /**
   * Rich outputs: JSON text of an array of objects, each a map from media type to data. Text, so that its numbers reach
   * the client as the instance wrote them.
   */
  readonly resultsJson: string;
  readonly error: { readonly name: string; readonly value: string; readonly traceback: readonly string[] } | null;
  /** True when stdout or stderr was cut at a limit. */
  readonly truncated: boolean;
}

/** A result as clients see it: JSON text with the rich outputs in their place. */
export function resultText({ resultsJson, ...rest }: ExecutionResult): string {
  return `${JSON.stringify(rest).slice(0, -1)},"results":${resultsJson}}`;
}
