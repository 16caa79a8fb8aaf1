import type { ExecutionFacts } from "../audit/record.ts";
import type { ExecuteRequest, ExecutionResult } from "../domain/execution.ts";
import { newId } from "../domain/id.ts";
import type { Runtime, RuntimeReply } from "../runtimes/runtime.ts";
import type { Turns } from "./turns.ts";

/** Sends one prepared call to an instance and returns its whole answer. */
export type Send = (call: ReturnType<Runtime["call"]>, firstByteMs: number) => Promise<RuntimeReply>;

/** What is known of an execution from its request alone. */
export function executionFacts({ operation, language, codeBytes, codeSha256 }: ExecuteRequest): ExecutionFacts {
  return { id: newId("exe"), operation, language, codeBytes, codeSha256, status: "" };
}

/** Waited beyond a run's own limit, so that the sandbox's answer about it arrives before ours. */
export const ANSWER_MARGIN_MS = 5_000;

/**
 * Runs one operation: the runtime translates it, an instance does it, the runtime translates the answer back.
 * @throws GatewayError of the runtime (EXEC_, SANDBOX_) and of the way to the instance (PROXY_).
 */
export async function execute(options: {
  request: ExecuteRequest;
  facts: ExecutionFacts;
  runtime: Runtime;
  send: Send;
  turns: Turns;
  /** The sandbox's own limit of a run that asks for none, ms; undefined when it is not known. */
  ownLimitMs: number | undefined;
  /** Wait for an answer when no limit of the run is known, ms. */
  defaultTimeoutMs: number;
}): Promise<ExecutionResult> {
  const { request, facts, runtime, send, defaultTimeoutMs } = options;
  const limit = request.timeoutMs ?? options.ownLimitMs;
  const wait = limit === undefined ? defaultTimeoutMs : limit + ANSWER_MARGIN_MS;
  const reply = await send(runtime.call(request, facts.id), wait);
  await options.turns.of(reply.body);
  return runtime.result(reply);
}
