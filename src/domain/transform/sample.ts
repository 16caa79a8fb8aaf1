import { choice } from "../value/words.ts";
import { integer } from "../value/quantities.ts";
import { wrong } from "../value/value.ts";
import { Place } from "./place.ts";

/** One side of a call as people write it: to try a transformation on. */
export interface Sample {
  readonly method: string;
  /** Of an answer. */
  readonly status: number;
  /** Path and query, as the sandbox sees them. */
  readonly path: string;
  /** Name, value, name, value…; names in lower case. */
  readonly fields: readonly string[];
  /** undefined: there is none. */
  readonly body: unknown;
}

const METHOD = choice("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS");
const STATUS = integer(200, 599);
const PATH = /^\/[!"$->@-[\]-~]*(?:\?[!"$-~]*)?$/;
const FIELD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * `{"method": "POST", "path": "/a?b=c", "headers": {"x-a": "1"}, "body": {…}}`, all of which may be missing; for an answer
 * `status` in place of method and path.
 * @throws GatewayError VAL_010 that names the place
 */
export function parseSample(text: string, side: "request" | "response"): Sample {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrong(`no JSON document: ${(error as Error).message}`);
  }
  const document = new Place("", value);
  const { method, path, status, headers, body } =
    side === "request"
      ? { status: undefined, ...document.members(["method", "path", "headers", "body"]) }
      : { method: undefined, path: undefined, ...document.members(["status", "headers", "body"]) };
  if (path !== undefined && !PATH.test(path.text())) throw path.wrong("a path that begins with / is expected");
  const fields = (headers?.entries() ?? []).flatMap(([name, values]) => {
    if (!FIELD.test(name)) throw values.wrong("no name of a field");
    return values.elements().flatMap((each) => [name.toLowerCase(), each.text()]);
  });
  const hasType = fields.some((name, index) => index % 2 === 0 && name === "content-type");
  if (body !== undefined && !hasType) fields.push("content-type", "application/json");
  return {
    method: method?.as(METHOD) ?? (body === undefined || side === "response" ? "GET" : "POST"),
    status: status?.as(STATUS) ?? 200,
    path: path?.text() ?? "/",
    fields,
    body: body?.value,
  };
}
