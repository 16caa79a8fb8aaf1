import { z } from "zod";
import type { ExecuteRequest } from "../domain/execution.ts";
import { isTooDeep } from "../domain/json-depth.ts";
import { isSandboxId } from "../domain/sandbox.ts";
import { GatewayError } from "../errors.ts";

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json[ \t]*(?:;.*)?$/i;

const executeBody = z.strictObject({
  sandbox_id: z.string().refine(isSandboxId, "not a sandbox id"),
  operation: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, "expected lower case letters, digits and underscores"),
  payload: z.record(z.string(), z.unknown()),
  timeout_ms: z.int().positive().optional(),
});

/** What the operations that every runtime knows must bring along. */
const payloads: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ["run_code", z.looseObject({ code: z.string(), language: z.string().min(1).max(64).optional() })],
  ["run_command", z.looseObject({ command: z.string().min(1) })],
]);

/** @throws GatewayError VAL_005 when the body is not declared as JSON. */
export function checkContentType(contentType: string | undefined): void {
  if (contentType !== undefined && JSON_TYPE.test(contentType)) return;
  throw new GatewayError("VAL_005", {
    details: contentType === undefined ? "No Content-Type" : "Expected application/json",
  });
}

/**
 * The body of an execute call.
 * @throws GatewayError VAL_002 (not JSON, or too deep), VAL_003 (wrong shape; details name the fields).
 */
export function parseExecute(body: Buffer, maxTimeoutMs: number): ExecuteRequest {
  const parsed = checked(executeBody, parseJson(body), "");
  const payload = payloads.get(parsed.operation);
  if (payload !== undefined) checked(payload, parsed.payload, "payload.");
  if (parsed.timeout_ms !== undefined && parsed.timeout_ms > maxTimeoutMs) {
    throw new GatewayError("VAL_003", { details: `timeout_ms: at most ${maxTimeoutMs}` });
  }
  return {
    sandboxId: parsed.sandbox_id,
    operation: parsed.operation,
    payload: parsed.payload,
    timeoutMs: parsed.timeout_ms,
  };
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function parseJson(body: Buffer): unknown {
  if (isTooDeep(body)) throw new GatewayError("VAL_002", { details: "Nested too deeply" });
  try {
    return JSON.parse(UTF8.decode(body));
  } catch (cause) {
    throw new GatewayError("VAL_002", { details: cause instanceof SyntaxError ? "Syntax error" : "Not UTF-8", cause });
  }
}

/** Details name the client's own fields: it must not be given back megabytes of them. */
const MAX_DETAILS = 500;

function checked<T>(schema: z.ZodType<T>, value: unknown, prefix: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const details = result.error.issues
    .slice(0, 5)
    .map((issue) => `${prefix}${issue.path.join(".") || "body"}: ${issue.message}`)
    .join("; ");
  throw new GatewayError("VAL_003", { details: details.slice(0, MAX_DETAILS) });
}
