import { isUtf8 } from "node:buffer";
import { z } from "zod";
import type { ExecuteRequest, ExecutionResult } from "../domain/execution.ts";
import {
  isSimple,
  type JsonBounds,
  type JsonNode,
  JsonRefusal,
  memberOf,
  scanJson,
  valueOf,
} from "../domain/json-scan.ts";
import { GatewayError } from "../errors.ts";
import type { Runtime, RuntimeCall, RuntimeReply } from "./runtime.ts";

const answer = z.object({
  status: z.enum(["ok", "error", "timeout", "killed", "compile_error"]).optional(),
  stdout: z.string().default(""),
  stderr: z.string().default(""),
  exit_code: z.int().nullable().default(null),
  signal: z.string().nullable().default(null),
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

/** The largest `error` that is parsed, bytes: a traceback can be made of a million lines. */
const LARGEST_ERROR = 1_000_000;

const refusal = z.object({ error: z.object({ message: z.string() }) });

/**
 * The protocol for sandboxes that have none of their own: `POST /execute` with `operation`, `payload`, `sandbox_id`,
 * `execution_id` and, when given, `timeout_ms`; answered by the normalised result, of which every field may be missing.
 */
export class GenericRuntime implements Runtime {
  readonly #bounds: JsonBounds;

  /** `bounds`: of an instance's answer. */
  constructor(bounds: JsonBounds) {
    this.#bounds = bounds;
  }

  call(request: ExecuteRequest, executionId: string): RuntimeCall {
    const envelope = JSON.stringify({
      operation: request.operation,
      sandbox_id: request.sandboxId,
      execution_id: executionId,
      timeout_ms: request.timeoutMs,
    });
    return {
      method: "POST",
      path: "/execute",
      headers: ["content-type", "application/json", "accept", "application/json"],
      // Valid UTF-8 comes through a string as it was.
      body: `${envelope.slice(0, -1)},"payload":${request.payloadJson.toString("utf8")}}`,
    };
  }

  result(reply: RuntimeReply): ExecutionResult {
    if (reply.status === 503) {
      throw new GatewayError("SANDBOX_001", { details: refusalText(reply.body), retryAfter: 1 });
    }
    if (reply.status === 400) {
      const unexplained = "The sandbox says that the payload does not fit, and not why";
      throw new GatewayError("VAL_003", { details: refusalText(reply.body) || unexplained });
    }
    if (reply.status === 422) throw new GatewayError("EXEC_002", { details: refusalText(reply.body) });
    if (reply.status !== 200) {
      throw new GatewayError("SANDBOX_002", { details: `The instance answered ${reply.status}`, executed: "maybe" });
    }
    // What a program prints need not be UTF-8, and not every instance makes it so.
    const body = isUtf8(reply.body) ? reply.body : Buffer.from(reply.body.toString("utf8"));
    const document = this.#scanned(body);
    const results = memberOf(document, "results");
    if (document.kind !== "object" || (results !== undefined && results.kind !== "array of objects")) throw misfit();
    const parsed = answer.safeParse(fieldsOf(body, document));
    if (!parsed.success) throw misfit();
    const { status, ...rest } = parsed.data;
    const failed = rest.error !== null || (rest.exit_code ?? 0) !== 0;
    const resultsJson = results === undefined ? "[]" : body.toString("utf8", results.start, results.end);
    return { status: status ?? (failed ? "error" : "ok"), ...rest, resultsJson };
  }

  #scanned(body: Buffer): JsonNode {
    try {
      return scanJson(body, this.#bounds);
    } catch (cause) {
      if (!(cause instanceof JsonRefusal)) throw cause;
      const code = cause.reason === "size" ? "EXEC_003" : "EXEC_001";
      throw new GatewayError(code, { details: cause.message, executed: "yes", cause });
    }
  }
}

function misfit(): GatewayError {
  return new GatewayError("EXEC_001", { details: "Not a result of the generic protocol", executed: "yes" });
}

/** The fields that are parsed: the results are not, and what has no name here is not looked at. */
function fieldsOf(body: Buffer, document: JsonNode): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of Object.keys(answer.shape)) {
    const node = memberOf(document, name);
    if (node === undefined) continue;
    if (!isSimple(node) && node.end - node.start > LARGEST_ERROR) {
      throw new GatewayError("EXEC_003", { details: `${name}: more than ${LARGEST_ERROR} bytes`, executed: "yes" });
    }
    fields[name] = valueOf(body, node);
  }
  return fields;
}

/** A refusal's own words, when they can be had cheaply. */
function refusalText(body: Buffer): string {
  if (body.length > LARGEST_ERROR) return "";
  try {
    const document = scanJson(body, { members: 1_000 });
    const parsed = refusal.safeParse(valueOf(body, document));
    return parsed.success ? parsed.data.error.message.slice(0, 500) : "";
  } catch {
    return "";
  }
}
