import { hash } from "node:crypto";
import { z } from "zod";
import type { ExecuteRequest } from "../domain/execution.ts";
import { isSimple, type JsonNode, JsonRefusal, memberOf, scanJson, valueOf } from "../domain/json-scan.ts";
import { isSandboxId } from "../domain/sandbox.ts";
import { GatewayError } from "../errors.ts";
import { LOOKED_AT, type LookedAt } from "./operations/operation.ts";
import { OPERATIONS, OTHER_PAYLOAD } from "./operations/operations.ts";

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json[ \t]*(?:;.*)?$/i;

/** @throws GatewayError VAL_005 when the body is not declared as JSON. */
export function checkContentType(contentType: string | undefined): void {
  if (contentType !== undefined && JSON_TYPE.test(contentType)) return;
  throw new GatewayError("VAL_005", {
    details: contentType === undefined ? "No Content-Type" : "Expected application/json",
  });
}

export interface ExecuteLimits {
  readonly maxTimeoutMs: number;
  /** Members of all objects of a body together. */
  readonly maxMembers: number;
}

/**
 * The body of an execute call. One pass over its bytes bounds what it is made of; then the small parts of the envelope
 * are parsed, and of the payload what its operation looks at. The payload itself stays the bytes that came.
 * @throws GatewayError VAL_002 (not JSON, too deep, a member twice), VAL_004 (too many members), VAL_003 (wrong shape;
 *   details name the fields).
 */
export function parseExecute(body: Buffer, limits: ExecuteLimits): ExecuteRequest {
  const document = scanned(body, limits.maxMembers);
  const envelope = checked(executeBody, document.kind === "object" ? envelopeOf(body, document) : null, "");
  if (envelope.timeout_ms !== undefined && envelope.timeout_ms > limits.maxTimeoutMs) {
    throw wrong(`timeout_ms: at most ${limits.maxTimeoutMs}`);
  }
  const { operation, payload } = envelope;
  const schema = OPERATIONS.get(operation)?.payload ?? OTHER_PAYLOAD;
  const { code, language } = checked(schema, lookedAt(body, payload), "payload.");
  return {
    sandboxId: envelope.sandbox_id,
    operation,
    payloadJson: body.subarray(payload.start, payload.end),
    language,
    codeBytes: Buffer.byteLength(code),
    codeSha256: hash("sha256", code),
    timeoutMs: envelope.timeout_ms,
  };
}

const executeBody = z.strictObject({
  sandbox_id: z.string().refine(isSandboxId, "not a sandbox id"),
  operation: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, "expected lower case letters, digits and underscores"),
  payload: z.custom<JsonNode>((node) => (node as JsonNode | undefined)?.kind === "object", "expected an object"),
  timeout_ms: z.int().positive().optional(),
});

function scanned(body: Buffer, members: number): JsonNode {
  try {
    return scanJson(body, { members });
  } catch (cause) {
    if (!(cause instanceof JsonRefusal)) throw cause;
    throw new GatewayError(cause.reason === "size" ? "VAL_004" : "VAL_002", { details: cause.message, cause });
  }
}

/** No field of the envelope but the payload is longer, bytes. */
const LONGEST_FIELD = 1_024;
/** The envelope has fewer fields: beyond these, some are known to be wrong, and naming a few is enough. */
const MOST_FIELDS = 16;

/** The envelope's fields, parsed; the payload as the node it is. */
function envelopeOf(body: Buffer, { members }: JsonNode): Record<string, unknown> {
  return Object.fromEntries(
    members.slice(0, MOST_FIELDS).map((node) => {
      if (node.name === "payload") return [node.name, node];
      if (node.end - node.start <= LONGEST_FIELD) return [node.name, valueOf(body, node)];
      throw wrong(`${node.name.slice(0, 64)}: longer than ${LONGEST_FIELD} bytes`);
    }),
  );
}

function lookedAt(body: Buffer, payload: JsonNode): LookedAt {
  const found: Partial<Record<(typeof LOOKED_AT)[number], unknown>> = {};
  for (const name of LOOKED_AT) {
    const node = memberOf(payload, name);
    if (node !== undefined) found[name] = isSimple(node) ? valueOf(body, node) : {}; // wrong, whatever is in it
  }
  return found;
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
  throw wrong(details.slice(0, MAX_DETAILS));
}

function wrong(details: string): GatewayError {
  return new GatewayError("VAL_003", { details });
}
