import { filled, literals, parseTemplate, type Template, type VariableName, type Variables } from "./template.ts";
import type { Place } from "./place.ts";
import { type Act, protection, type Side } from "./protected-fields.ts";

/** Changes a list of fields: name, value, name, value… with names in lower case. Returns another list. */
export type FieldChange = (fields: readonly string[], variables: Variables) => string[];

/** RFC 9110 section 5.6.2, without the underscore, which many servers take for a hyphen. */
const NAME = /^[!#$%&'*+\-.^`|~0-9A-Za-z]{1,128}$/;
/** Visible ASCII with single spaces or tabs between (RFC 9110 section 5.5, without obs-text). */
const VALUE = /^[\t\x20-\x7e]{0,4096}$/;

/**
 * `{"remove": ["a"], "rename": {"b": "c"}, "set": {"d": "…"}, "add": {"e": ["…", "…"]}}`, done in this order.
 * @throws GatewayError VAL_010
 */
export function parseFieldChange(place: Place, side: Side, known: readonly VariableName[]): FieldChange {
  const { remove, rename, set, add } = place.members(["remove", "rename", "set", "add"]);
  const removed = new Set((remove?.elements() ?? []).map((name) => nameOf(name.text(), name, side, "remove")));
  const renamed = new Map<string, string>();
  for (const [from, to] of rename?.entries() ?? []) {
    renamed.set(nameOf(from, to, side, "rename"), nameOf(to.text(), to, side, "rename"));
  }
  const added: [name: string, value: Template][] = [];
  for (const [name, value] of set?.entries() ?? []) {
    const plain = nameOf(name, value, side, "set");
    if (renamed.has(plain)) throw value.wrong("renamed and set");
    removed.add(plain);
    added.push([plain, valueOf(value, known)]);
  }
  for (const [name, values] of add?.entries() ?? []) {
    const plain = nameOf(name, values, side, "set");
    for (const value of values.elements()) added.push([plain, valueOf(value, known)]);
  }
  return (fields, variables) => change(fields, variables, { removed, renamed, added });
}

interface Plan {
  readonly removed: ReadonlySet<string>;
  readonly renamed: ReadonlyMap<string, string>;
  readonly added: readonly (readonly [name: string, value: Template])[];
}

function change(fields: readonly string[], variables: Variables, { removed, renamed, added }: Plan): string[] {
  // What came by a name that a renamed one takes is replaced: else whoever sent both would have two values there.
  const taken = renamed.size === 0 ? NONE : takenNames(fields, renamed);
  const changed: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string;
    const plain = name.includes("_") ? name.replaceAll("_", "-") : name;
    const other = renamed.get(plain);
    if (removed.has(plain) || (other === undefined && taken.has(plain))) continue;
    changed.push(other ?? name, fields[index + 1] as string);
  }
  for (const [name, value] of added) changed.push(name, filled(value, variables, inField));
  return changed;
}

function takenNames(fields: readonly string[], renamed: ReadonlyMap<string, string>): ReadonlySet<string> {
  const taken = new Set<string>();
  for (let index = 0; index < fields.length; index += 2) {
    const other = renamed.get((fields[index] as string).replaceAll("_", "-"));
    if (other !== undefined) taken.add(other);
  }
  return taken;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * A variable's value as it can stand in any field: visible ASCII as it is, all else and `%` percent-encoded as UTF-8. So
 * there is never a line break in it, and no two values become one.
 */
export function inField(value: string): string {
  if (PLAIN.test(value)) return value;
  return value.toWellFormed().replace(/[^!-$&-~]/gu, (character) => {
    const bytes = [...Buffer.from(character)];
    return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
  });
}

const PLAIN = /^[!-$&-~]*$/;

function nameOf(name: string, place: Place, side: Side, act: Act): string {
  if (!NAME.test(name)) throw place.wrong(`${JSON.stringify(name.slice(0, 130))} is no name of a field`);
  const plain = name.toLowerCase();
  const because = protection(plain, side, act);
  if (because !== undefined) throw place.wrong(`no transformation may ${act} ${plain}: ${because}`);
  return plain;
}

function valueOf(place: Place, known: readonly VariableName[]): Template {
  const template = parseTemplate(place, known);
  const said = literals(template).join("");
  if (!VALUE.test(said)) throw place.wrong("only printable ASCII, at most 4096 characters");
  if (template.length === 1 && said.trim() !== said) throw place.wrong("space around a value does not arrive");
  return template;
}
