import type { ExecuteRequest, ExecutionResult } from "../domain/execution.ts";

/** One HTTP request to an instance, ready to send. */
export interface RuntimeCall {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path and query, starting with a slash. */
  readonly path: string;
  /** Name, value, name, value… lower-case names; no framing or connection fields. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** An instance's whole answer. */
export interface RuntimeReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

/** How to speak to one kind of sandbox: translates an operation into its HTTP API and the answer back. Stateless. */
export interface Runtime {
  /** @throws GatewayError EXEC_002 when this runtime has no such operation, VAL_003 when the payload does not fit it. */
  call(request: ExecuteRequest, executionId: string): RuntimeCall;
  /**
   * @throws GatewayError EXEC_001 (not understood), EXEC_002 (no such operation there), EXEC_003 (too much in it), VAL_003
   *   (the payload does not fit), SANDBOX_001 (busy, not begun), SANDBOX_002. Nothing else, whatever the instance answers.
   */
  result(reply: RuntimeReply): ExecutionResult;
}
