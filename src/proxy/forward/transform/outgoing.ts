import type { Transformation } from "../../../domain/transform/transformation.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Prepared } from "./prepare.ts";
import { changedTarget } from "../../../domain/transform/target.ts";
import { requestVariables } from "./variables.ts";

/** What of a request's head is the transformation's business. */
export interface Passing {
  readonly path: string;
  readonly headers: string[];
}

/** These say something of the bytes of a body. */
const OF_BYTES: ReadonlySet<string> = new Set([
  "content-length",
  "content-md5",
  "digest",
  "content-digest",
  "repr-digest",
]);
/** What is asked of the bytes of an answer, which are others when it is transformed: none of it may be asked of the instance. */
const OF_ANSWERS: ReadonlySet<string> = new Set(["range", "if-range", "if-none-match", "if-modified-since"]);

/**
 * A request's head as the transformation makes it. `own`: the part of the target that is the sandbox's own.
 * @throws GatewayError VAL_012
 */
export function transformedHead(
  { path, headers }: Passing,
  own: string,
  { request, response }: Transformation,
  { exchange, prepared }: { readonly exchange: Exchange; readonly prepared: Prepared | null },
): Passing {
  const variables = requestVariables(exchange);
  const target = changedTarget(own, request, variables);
  let fields = request.headers?.(headers, variables) ?? headers;
  if (prepared?.kind === "transformed") fields = without(fields, OF_BYTES);
  if (response.body !== null && exchange.offer === null) {
    fields = without(fields, ACCEPTED);
    if (exchange.method === "GET" || exchange.method === "HEAD") fields = without(fields, OF_ANSWERS);
    fields.push("accept-encoding", "identity");
  }
  return { path: exchange.keepsPrefix ? mounted(target, exchange, path) : target, headers: fields };
}

const ACCEPTED: ReadonlySet<string> = new Set(["accept-encoding"]);

/** The fields but those of these names. */
export function without(fields: readonly string[], names: ReadonlySet<string>): string[] {
  return fields.filter((_, index) => !names.has(fields[index - (index % 2)] as string));
}

/** A mount that was asked for without a slash behind it stays so. */
function mounted(target: string, { mount }: Exchange, before: string): string {
  return mount + (before.startsWith("/", mount.length) ? target : target.replace(/^\/(?=\?|$)/, ""));
}
