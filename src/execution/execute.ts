import type { ExecutionFacts } from "../audit/record.ts";
import type { ExecuteRequest, ExecutionResult } from "../domain/execution.ts";
import { newId } from "../domain/id.ts";
import type { Runtime, RuntimeReply } from "../runtimes/runtime.ts";

/** Sends one prepared call to an instance and returns its whole answer. */
export type Send = (call: ReturnType<Runtime["call"]>, firstByteMs: number) => Promise<RuntimeReply>;

/** What is known of an execution from its request alone. */
export function executionFacts({ operation, language, codeBytes, codeSha256 }: ExecuteRequest): ExecutionFacts {
  return { id: newId("exe"), operation, language, codeBytes, codeSha256, status: "" };
}

/** More than the sandbox's own limit, so that its answer about a timeout arrives before ours. */
const ANSWER_MARGIN_MS = 5_000;

/**
 * Runs one operation: the runtime translates it, an instance does it, the runtime translates the answer back.
 * @throws GatewayError of the runtime (EXEC_, SANDBOX_) and of the way to the instance (PROXY_).
 */
export async function execute(options: {
  request: ExecuteRequest;
  facts: ExecutionFacts;
  runtime: Runtime;
  send: Send;
  /** Wait for an answer when the request sets no timeout, ms. */
  defaultTimeoutMs: number;
}): Promise<ExecutionResult> {
  const { request, facts, runtime, send, defaultTimeoutMs } = options;
  const wait = request.timeoutMs === undefined ? defaultTimeoutMs : request.timeoutMs + ANSWER_MARGIN_MS;
  return runtime.result(await send(runtime.call(request, facts.id), wait));
}
