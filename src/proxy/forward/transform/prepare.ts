import type { BodyChange } from "../../../domain/transform/transformation.ts";
import { GatewayError } from "../../../errors.ts";
import { BodyMemory } from "../../../limits/body-memory.ts";
import type { Cap } from "../../../limits/cap.ts";
import type { Mappers } from "../../../transform/mapper/mappers.ts";
import type { Exchange } from "../../request/exchange.ts";
import { checkTrailers, type Head } from "../../request/head.ts";
import { type BodyLimits, gatherBody, tooLarge } from "../../request/read-body.ts";
import { isJson, unreadable } from "../../../domain/transform/json-type.ts";
import { mapped } from "./mapping.ts";
import { requestVariables } from "./variables.ts";

/** A body of which something has been read before it is sent. */
export type Prepared =
  | { readonly kind: "transformed"; readonly text: string }
  /** It passes as it is: these bytes, and what the client still sends. */
  | { readonly kind: "begun"; readonly chunks: readonly Buffer[] };

export interface PreparingOptions {
  readonly mappers: Mappers;
  readonly bodyMemory: Cap;
  readonly bodyLimits: Omit<BodyLimits, "size">;
}

/**
 * Reads a request's body and transforms it. null: it passes, and nothing of it has been read.
 * @throws GatewayError VAL_002, VAL_004, VAL_005, VAL_012 where it cannot be transformed and may not pass; PROXY_013 when
 *   there is no room for it; whatever reading a body throws.
 */
export async function prepareBody(
  exchange: Exchange,
  head: Head,
  change: BodyChange,
  options: PreparingOptions,
): Promise<Prepared | null> {
  if (!isJson(head.contentType)) {
    if (change.otherTypes === "pass") return null;
    throw new GatewayError("VAL_005");
  }
  const reason = unreadable(head.contentType as string, exchange.field("content-encoding"));
  const tooMuch = head.bodyLength > change.maxInput;
  if (reason !== undefined || tooMuch) {
    if (change.onError === "pass") return null;
    throw tooMuch ? tooLarge(change.maxInput) : new GatewayError("VAL_012", { details: reason as string });
  }
  if (head.expectsContinue) exchange.res.writeContinue();
  const memory = new BodyMemory({ cap: options.bodyMemory, callerKey: exchange.callerKey });
  const { body, isWhole } = await gatherBody(exchange, memory, { ...options.bodyLimits, size: change.maxInput });
  exchange.bytesIn = body.length;
  if (!isWhole && change.onError === "fail") throw tooLarge(change.maxInput);
  if (!isWhole || body.length === 0) return { kind: "begun", chunks: [body] };
  checkTrailers(exchange.req);
  const result = await mapped(exchange, options.mappers, change, { body, variables: requestVariables(exchange) });
  if (Buffer.isBuffer(result)) {
    memory.grow(result.length);
    return { kind: "transformed", text: result.toString("utf8") };
  }
  const { reason: why, details } = result;
  if (why === "busy") throw new GatewayError("PROXY_013", { details, retryAfter: 1 });
  if (change.onError === "pass") return { kind: "begun", chunks: [body] };
  throw new GatewayError(why === "input" ? "VAL_002" : "VAL_012", { details });
}
