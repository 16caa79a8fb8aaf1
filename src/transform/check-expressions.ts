import type { ExprNode } from "jsonata";
import type { BodyChange, Transformation } from "../domain/transform/transformation.ts";
import { REQUEST_VARIABLES, RESPONSE_VARIABLES } from "../domain/transform/template.ts";
import { nearest } from "../domain/value/nearest.ts";
import { wrong } from "../domain/value/value.ts";
import type { GatewayError } from "../errors.ts";
import { BUILT_IN } from "./built-in.ts";

/**
 * Compiles a transformation's expressions, as they are before the first call needs them. jsonata is loaded only where there
 * is one.
 * @throws GatewayError VAL_010 that names the place in the document and the one in the expression
 */
export async function checkExpressions({ request, response }: Transformation): Promise<void> {
  if (request.body !== null) await checkExpression(request.body, REQUEST_VARIABLES);
  if (response.body !== null) await checkExpression(response.body, RESPONSE_VARIABLES);
}

async function checkExpression(change: BodyChange, variables: readonly string[]): Promise<void> {
  const { default: jsonata } = await import("jsonata");
  let tree: ExprNode;
  try {
    tree = jsonata(change.expression).ast();
  } catch (error) {
    throw wrong(`${change.at}: ${said(error)}`);
  }
  const names = new Names();
  names.collect(tree);
  // What it is given may have come from a client or a sandbox: data would become a program.
  if (names.used.has("eval")) throw wrong(`${change.at}: $eval is not to be had: data must not become an expression`);
  const known = [...names.made, ...variables, ...BUILT_IN];
  for (const name of names.used) {
    if (name === "" || name === "$" || known.includes(name)) continue;
    throw unknown(name, change, known);
  }
}

function unknown(name: string, { at }: BodyChange, known: readonly string[]): GatewayError {
  if (RESPONSE_VARIABLES.some((each) => each === name)) {
    return wrong(`${at}: $${name} is not known before there is an answer`);
  }
  const meant = nearest(name, known);
  return wrong(
    `${at}: there is no variable or function $${name}${meant === undefined ? "" : ` (did you mean $${meant}?)`}`,
  );
}

/** The names of variables in an expression: those that are made in it, wherever, and those that are used. */
class Names {
  readonly made = new Set<string>();
  readonly used = new Set<string>();

  collect(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) return value.forEach((each) => this.collect(each));
    const node: Readonly<Record<string, unknown>> = { ...value };
    if (node["type"] === "variable") this.used.add(String(node["value"]));
    if (node["type"] === "bind") this.#make(node["lhs"]);
    if (node["type"] === "lambda") for (const each of [node["arguments"]].flat()) this.#make(each);
    // `@$a` and `#$b` behind a step of a path.
    const index = node["type"] === "index" ? node["value"] : node["index"];
    for (const name of [node["focus"], index]) if (typeof name === "string") this.made.add(name);
    for (const part of Object.values(node)) this.collect(part);
  }

  #make(variable: unknown): void {
    if (typeof variable === "object" && variable !== null && "value" in variable) this.made.add(String(variable.value));
  }
}

/** What jsonata, or the engine below it, says is wrong with an expression. */
function said(error: unknown): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return "cannot be read";
  const position = "position" in error ? ` (character ${String(error.position)})` : "";
  return `${String(error.message)}${position}`;
}
