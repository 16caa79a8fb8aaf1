import { nearest } from "../value/nearest.ts";
import type { Place } from "./place.ts";

/** What is known of a call when it is sent. */
export const REQUEST_VARIABLES = [
  "principal",
  "role",
  "sandbox",
  "request_id",
  "client_address",
  "method",
  "scheme",
] as const;
/** What is known when it is answered. */
export const RESPONSE_VARIABLES = [...REQUEST_VARIABLES, "instance", "status"] as const;

export type VariableName = (typeof RESPONSE_VARIABLES)[number];
/** Those of a request have no `instance` and no `status`. */
export type Variables = Readonly<Partial<Record<VariableName, string>>>;

/** Text with variables in it: every second part is a variable's name. */
export type Template = readonly string[];

/**
 * `user ${principal}` → `["user ", "principal", ""]`; `$${` stands for `${`.
 * @throws GatewayError VAL_010 for a variable that is not among `known`, or has no end.
 */
export function parseTemplate(place: Place, known: readonly VariableName[]): Template {
  const parts: string[] = [""];
  let rest = place.text();
  for (;;) {
    const at = rest.indexOf("${");
    if (at < 0) break;
    if (rest[at - 1] === "$") {
      parts.push(`${parts.pop()}${rest.slice(0, at)}{`);
      rest = rest.slice(at + 2);
      continue;
    }
    const end = rest.indexOf("}", at);
    if (end < 0) throw place.wrong("${ without a }; write $${ where no variable is meant");
    parts.push(parts.pop() + rest.slice(0, at), checkedName(rest.slice(at + 2, end), place, known), "");
    rest = rest.slice(end + 1);
  }
  parts.push(parts.pop() + rest);
  return parts;
}

/** `encode` makes of a variable's value what is safe where it is put. */
export function filled(template: Template, variables: Variables, encode: (value: string) => string): string {
  let text = template[0] as string;
  for (let index = 1; index < template.length; index += 2) {
    text += encode(variables[template[index] as VariableName] ?? "") + (template[index + 1] as string);
  }
  return text;
}

/** A value as it can stand in one segment of a path, or in one part of a query. */
export function inUrl(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}

/** What a template says itself, without its variables. */
export function literals(template: Template): string[] {
  return template.filter((_, index) => index % 2 === 0);
}

function checkedName(name: string, place: Place, known: readonly VariableName[]): string {
  if (known.some((each) => each === name)) return name;
  if (RESPONSE_VARIABLES.some((each) => each === name)) {
    throw place.wrong(`\${${name}} is not known before there is an answer`);
  }
  const meant = nearest(name.toLowerCase(), known);
  const hint = meant === undefined ? `there are ${known.join(", ")}` : `did you mean ${meant}?`;
  throw place.wrong(`there is no variable ${JSON.stringify(name)} (${hint})`);
}
