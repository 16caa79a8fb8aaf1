import type { Place } from "./place.ts";
import { filled, inUrl, parseTemplate, type Template, type VariableName, type Variables } from "./template.ts";

/** Changes a query, without its question mark; what it does not change stays byte for byte. */
export type QueryChange = (query: string, variables: Variables) => string;

/** The same members as for fields. @throws GatewayError VAL_010 */
export function parseQueryChange(place: Place, known: readonly VariableName[]): QueryChange {
  const { remove, rename, set, add } = place.members(["remove", "rename", "set", "add"]);
  const removed = new Set((remove?.elements() ?? []).map((name) => named(name.text(), name)));
  const renamed = new Map((rename?.entries() ?? []).map(([from, to]) => [named(from, to), named(to.text(), to)]));
  const added: [name: string, value: Template][] = [];
  for (const [name, value] of set?.entries() ?? []) {
    if (renamed.has(name)) throw value.wrong("renamed and set");
    removed.add(named(name, value));
    added.push([inUrl(name), parseTemplate(value, known)]);
  }
  for (const [name, values] of add?.entries() ?? []) {
    for (const value of values.elements()) added.push([inUrl(named(name, value)), parseTemplate(value, known)]);
  }
  return (query, variables) => {
    const pieces = query === "" ? [] : query.split("&");
    const names = pieces.map(nameIn);
    const taken = new Set(names.flatMap((name) => renamed.get(name) ?? []));
    const kept = pieces.flatMap((piece, index) => {
      const name = names[index] as string;
      const other = renamed.get(name);
      if (removed.has(name) || (other === undefined && taken.has(name))) return [];
      if (other === undefined) return [piece];
      const equals = piece.indexOf("=");
      return [inUrl(other) + (equals < 0 ? "" : piece.slice(equals))];
    });
    // Encoded as a whole, so that neither the text nor a variable in it ends the value.
    for (const [name, value] of added) kept.push(`${name}=${inUrl(filled(value, variables, String))}`);
    return kept.join("&");
  };
}

function named(name: string, place: Place): string {
  if (name === "") throw place.wrong("a parameter has a name");
  return name;
}

/** A parameter's name as an application reads it (application/x-www-form-urlencoded). */
function nameIn(piece: string): string {
  const equals = piece.indexOf("=");
  const name = (equals < 0 ? piece : piece.slice(0, equals)).replaceAll("+", " ");
  if (!name.includes("%")) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
