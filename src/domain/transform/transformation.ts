import { scanJson } from "../json-scan.ts";
import { duration, size } from "../value/quantities.ts";
import { type Value, wrong } from "../value/value.ts";
import { choice } from "../value/words.ts";
import { type FieldChange, parseFieldChange } from "./field-changes.ts";
import { type PathChange, parsePathChange } from "./path-change.ts";
import { Place } from "./place.ts";
import type { Side } from "./protected-fields.ts";
import { parseQueryChange, type QueryChange } from "./query-change.ts";
import { REQUEST_VARIABLES, RESPONSE_VARIABLES } from "./template.ts";

/** What becomes of JSON bodies on one side of a call. */
export interface BodyChange {
  /** JSONata. */
  readonly expression: string;
  /** Where in the document it stands: for messages. */
  readonly at: string;
  /** Of JSON that cannot be transformed: an error, or it passes as it is. */
  readonly onError: "fail" | "pass";
  /** The same for bodies that are no JSON. */
  readonly otherTypes: "fail" | "pass";
  /** Bytes. */
  readonly maxInput: number;
  /** Bytes. */
  readonly maxOutput: number;
  /** Milliseconds. */
  readonly timeoutMs: number;
}

export interface RequestChange {
  readonly path: PathChange | null;
  readonly query: QueryChange | null;
  readonly headers: FieldChange | null;
  readonly body: BodyChange | null;
}

export interface ResponseChange {
  readonly headers: FieldChange | null;
  readonly body: BodyChange | null;
}

/** How calls are changed on their way to a sandbox and back. */
export interface Transformation {
  readonly request: RequestChange;
  readonly response: ResponseChange;
}

/** Characters of a document. */
export const LONGEST_DOCUMENT = 64 * 1024;
const MOST_MEMBERS = 2_000;

/** @throws GatewayError VAL_010 that names the place in the document */
export function parseTransformation(text: string): Transformation {
  if (text.length > LONGEST_DOCUMENT) throw wrong(`longer than ${LONGEST_DOCUMENT} characters`);
  try {
    scanJson(Buffer.from(text), { members: MOST_MEMBERS });
  } catch (error) {
    throw wrong(`no JSON document: ${(error as Error).message}`);
  }
  const { request, response } = new Place("", JSON.parse(text)).members(["request", "response"]);
  const asked = request?.members(["path", "query", "headers", "body"]) ?? {};
  const answered = response?.members(["headers", "body"]) ?? {};
  return {
    request: {
      path: asked.path === undefined ? null : parsePathChange(asked.path, REQUEST_VARIABLES),
      query: asked.query === undefined ? null : parseQueryChange(asked.query, REQUEST_VARIABLES),
      headers: fieldsOf(asked.headers, "request"),
      body: asked.body === undefined ? null : parseBodyChange(asked.body),
    },
    response: {
      headers: fieldsOf(answered.headers, "response"),
      body: answered.body === undefined ? null : parseBodyChange(answered.body),
    },
  };
}

/** A transformation as a setting: the document's text, without the white space between its parts. */
export function transformation(): Value<string> {
  return {
    hint: "a file with a JSON document",
    file: LONGEST_DOCUMENT,
    parse(text) {
      parseTransformation(text);
      return JSON.stringify(JSON.parse(text));
    },
    format: (text) => text,
  };
}

function fieldsOf(place: Place | undefined, side: Side): FieldChange | null {
  const known = side === "request" ? REQUEST_VARIABLES : RESPONSE_VARIABLES;
  return place === undefined ? null : parseFieldChange(place, side, known);
}

const WHEN = choice("fail", "pass");
const SIZE = size("1b", "8mb");
const TIME = duration("1ms", "5s");
const DEFAULTS = { maxInput: 1024 ** 2, maxOutput: 1024 ** 2, timeoutMs: 250 };

/** An expression, as a text or as lines; or an object with it and what else is said. */
function parseBodyChange(place: Place): BodyChange {
  if (typeof place.value === "string" || Array.isArray(place.value)) {
    return { ...expressionOf(place), onError: "fail", otherTypes: "pass", ...DEFAULTS };
  }
  const names = ["expression", "on_error", "other_types", "max_input", "max_output", "timeout"] as const;
  const said = place.members(names);
  if (said.expression === undefined) throw place.wrong("expression is missing");
  return {
    ...expressionOf(said.expression),
    onError: said.on_error?.as(WHEN) ?? "fail",
    otherTypes: said.other_types?.as(WHEN) ?? "pass",
    maxInput: said.max_input?.as(SIZE) ?? DEFAULTS.maxInput,
    maxOutput: said.max_output?.as(SIZE) ?? DEFAULTS.maxOutput,
    timeoutMs: said.timeout?.as(TIME) ?? DEFAULTS.timeoutMs,
  };
}

function expressionOf(place: Place): Pick<BodyChange, "expression" | "at"> {
  const expression = place
    .elements()
    .map((line) => line.text())
    .join("\n");
  if (expression.trim() === "") throw place.wrong("an expression is expected");
  return { expression, at: place.path };
}
