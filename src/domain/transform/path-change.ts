import { GatewayError } from "../../errors.ts";
import type { Place } from "./place.ts";
import {
  filled,
  inUrl,
  literals,
  parseTemplate,
  type Template,
  type VariableName,
  type Variables,
} from "./template.ts";

/** Another path for one that the rule is for, undefined for all others. Both without a query. */
type Rule = (path: string, variables: Variables) => string | undefined;
/** @throws GatewayError VAL_012 when what comes of it is no path, or could mean another one. */
export type PathChange = (path: string, variables: Variables) => string;

// Visible ASCII of a path as `checkDestination` lets it through; no query, no fragment.
const PATH = /^\/[!"$->@-[\]-~]*$/;
/** See routes/router.ts: two parties could disagree what such a path is. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i;
const LONGEST = 16_384;

/**
 * One rule or several, of which the first that is for a path holds:
 * - `{"prefix": "/old", "to": "/new"}`: `/old` and all below it.
 * - `{"pattern": "/users/{id}/*", "to": "/u/{id}/{*}"}`: a name is one segment, a last `*` all that follows.
 *
 * Paths are compared byte by byte, segment by segment, in one pass: there is no expression in them that could take long.
 * @throws GatewayError VAL_010
 */
export function parsePathChange(place: Place, known: readonly VariableName[]): PathChange {
  const rules = place.elements().map((rule) => parseRule(rule, known));
  return (path, variables) => {
    for (const rule of rules) {
      const other = rule(path, variables);
      if (other !== undefined) return checked(other);
    }
    return path;
  };
}

function parseRule(place: Place, known: readonly VariableName[]): Rule {
  const { prefix, pattern, to } = place.members(["prefix", "pattern", "to"]);
  if (to === undefined) throw place.wrong("to is missing");
  if (prefix !== undefined && pattern === undefined) return byPrefix(prefix, to, known);
  if (pattern !== undefined && prefix === undefined) return byPattern(pattern, to, known);
  throw place.wrong("either a prefix or a pattern is expected");
}

function byPrefix(place: Place, to: Place, known: readonly VariableName[]): Rule {
  const prefix = place.text();
  checkPath(prefix, place);
  const template = targetOf(to, known);
  return (path, variables) => {
    if (!path.startsWith(prefix)) return undefined;
    const rest = path.slice(prefix.length);
    if (rest !== "" && !rest.startsWith("/") && !prefix.endsWith("/")) return undefined;
    const start = filled(template, variables, inUrl);
    if (start.endsWith("/")) return start + (rest.startsWith("/") ? rest.slice(1) : rest);
    return start + (rest === "" || rest.startsWith("/") ? rest : `/${rest}`);
  };
}

function byPattern(place: Place, to: Place, known: readonly VariableName[]): Rule {
  const text = place.text();
  const open = text.endsWith("/*");
  const segments = (open ? text.slice(0, -2) : text).split("/").slice(1);
  const names = segments.filter((segment) => SLOT.test(segment));
  if (new Set(names).size < names.length) throw place.wrong("the same name twice");
  const fixed = segments.filter((segment) => !SLOT.test(segment));
  if (!text.startsWith("/") || fixed.some((segment) => /[{}*]/.test(segment))) {
    throw place.wrong("a path like /users/{id}/* is expected");
  }
  checkPath(`/${fixed.join("/")}`, place);
  const slots = open ? [...names, "{*}"] : names;
  // Each text between variables is cut once more, at what the pattern's names stand for.
  const parts = targetOf(to, known).map((part, index) => (index % 2 === 0 ? part.split(SLOTS) : [part]));
  for (const slot of parts.flatMap((part) => part.filter((_, index) => index % 2 === 1))) {
    if (!slots.includes(slot)) throw to.wrong(`there is no ${slot} in the pattern (${slots.join(", ") || "no names"})`);
  }
  return (path, variables) => {
    const found = matched(path, segments, open);
    if (found === undefined) return undefined;
    const template = parts.map((part) => part.map((piece, index) => (index % 2 === 0 ? piece : found[piece])).join(""));
    return filled(template, variables, inUrl);
  };
}

const SLOT = /^\{\w{1,64}\}$/;
const SLOTS = /(\{\w{1,64}\}|\{\*\})/;

/** What stands in a path where the pattern has a name; undefined when the pattern is not for it. */
function matched(path: string, segments: readonly string[], open: boolean): Record<string, string> | undefined {
  const found: Record<string, string> = {};
  let at = 0;
  for (const segment of segments) {
    if (path[at] !== "/") return undefined;
    const slash = path.indexOf("/", at + 1);
    const end = slash < 0 ? path.length : slash;
    const part = path.slice(at + 1, end);
    at = end;
    if (!segment.startsWith("{")) {
      if (part !== segment) return undefined;
    } else if (part === "") return undefined;
    else found[segment] = part;
  }
  if (!open) return at === path.length ? found : undefined;
  if (path[at] !== "/") return undefined;
  found["{*}"] = path.slice(at + 1);
  return found;
}

function targetOf(place: Place, known: readonly VariableName[]): Template {
  const template = parseTemplate(place, known);
  checkPath(literals(template).join("x").replaceAll(new RegExp(SLOTS, "g"), "x"), place);
  return template;
}

function checkPath(path: string, place: Place): void {
  if (!PATH.test(path)) throw place.wrong("a path that begins with / is expected, percent-encoded, without a query");
  if (DOT_SEGMENT.test(path)) throw place.wrong("a path without . and .. is expected");
}

/** What a client put into its path, or a variable's value, may have made another path of it than the rule means. */
function checked(path: string): string {
  const reason =
    path.length > LONGEST ? "too long" : !PATH.test(path) ? "no path" : DOT_SEGMENT.test(path) ? "a dot segment" : "";
  if (reason !== "")
    throw new GatewayError("VAL_012", { details: `The path that comes of it is not allowed: ${reason}` });
  return path;
}
