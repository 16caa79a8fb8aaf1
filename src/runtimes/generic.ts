import { z } from "zod";
import type { ExecuteRequest, ExecutionResult } from "../domain/execution.ts";
import { isTooDeep } from "../domain/json-depth.ts";
import { GatewayError } from "../errors.ts";
import type { Runtime, RuntimeCall, RuntimeReply } from "./runtime.ts";

const answer = z.object({
  status: z.enum(["ok", "error", "timeout", "killed", "compile_error"]).optional(),
  stdout: z.string().default(""),
  stderr: z.string().default(""),
  exit_code: z.int().nullable().default(null),
  signal: z.string().nullable().default(null),
  results: z.array(z.record(z.string(), z.unknown())).default([]),
  error: z
    .object({
      name: z.string().default("Error"),
      value: z.string().default(""),
      traceback: z.array(z.string()).default([]),
    })
    .nullable()
    .default(null),
  truncated: z.boolean().default(false),
});

const refusal = z.object({ error: z.object({ message: z.string() }) });

/**
 * The protocol for sandboxes that have none of their own: `POST /execute` with `operation`, `payload`, `sandbox_id`,
 * `execution_id` and, when given, `timeout_ms`; answered by the normalised result, of which every field may be missing.
 */
export class GenericRuntime implements Runtime {
  call(request: ExecuteRequest, executionId: string): RuntimeCall {
    return {
      method: "POST",
      path: "/execute",
      headers: ["content-type", "application/json", "accept", "application/json"],
      body: JSON.stringify({
        operation: request.operation,
        payload: request.payload,
        sandbox_id: request.sandboxId,
        execution_id: executionId,
        timeout_ms: request.timeoutMs,
      }),
    };
  }

  result(reply: RuntimeReply): ExecutionResult {
    if (reply.status === 503) throw new GatewayError("SANDBOX_001", { retryAfter: 1 });
    if (reply.status === 422) throw new GatewayError("EXEC_002", { details: refusalText(reply.body) });
    if (reply.status !== 200) {
      throw new GatewayError("SANDBOX_002", { details: `The instance answered ${reply.status}`, executed: "maybe" });
    }
    const parsed = answer.safeParse(json(reply.body));
    if (!parsed.success) {
      throw new GatewayError("EXEC_001", { details: "Not a result of the generic protocol", executed: "yes" });
    }
    const { status, ...rest } = parsed.data;
    const failed = rest.error !== null || (rest.exit_code ?? 0) !== 0;
    return { status: status ?? (failed ? "error" : "ok"), ...rest };
  }
}

function refusalText(body: Buffer): string {
  const parsed = refusal.safeParse(json(body));
  return parsed.success ? parsed.data.error.message.slice(0, 500) : "";
}

function json(body: Buffer): unknown {
  if (isTooDeep(body)) return undefined;
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
