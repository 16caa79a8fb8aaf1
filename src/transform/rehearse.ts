import type { FieldChange } from "../domain/transform/field-changes.ts";
import { isJson, unreadable } from "../domain/transform/json-type.ts";
import type { Sample } from "../domain/transform/sample.ts";
import { changedTarget } from "../domain/transform/target.ts";
import type { Variables } from "../domain/transform/template.ts";
import type { BodyChange, Transformation } from "../domain/transform/transformation.ts";
import { asGatewayError } from "../errors.ts";
import type { Mappers } from "./mapper/mappers.ts";

/** What becomes of a sample; `problem`: why it would be refused. */
export type Rehearsed =
  | { readonly after: Sample; readonly note: string | null; readonly problem: null }
  | { readonly after: null; readonly note: null; readonly problem: string };

export interface Rehearsal {
  readonly sample: Sample;
  readonly side: "request" | "response";
  readonly variables: Variables;
  readonly mappers: Mappers;
}

/** Does to a sample what is done to a call. */
export async function rehearse(transformation: Transformation, rehearsal: Rehearsal): Promise<Rehearsed> {
  const { sample, side, variables } = rehearsal;
  try {
    const path = side === "request" ? changedTarget(sample.path, transformation.request, variables) : sample.path;
    const fields = changedFields(sample.fields, transformation[side].headers, variables);
    const change = transformation[side].body;
    const { body, note } = await changedBody(change, rehearsal);
    return { after: { ...sample, path, fields, body }, note, problem: null };
  } catch (error) {
    return refused(error instanceof Error && error.name === "Refused" ? error.message : asGatewayError(error).details);
  }
}

class Refused extends Error {
  override readonly name = "Refused";
}

function refused(problem: string): Rehearsed {
  return { after: null, note: null, problem };
}

function changedFields(fields: readonly string[], change: FieldChange | null, variables: Variables): readonly string[] {
  return change === null ? fields : change(fields, variables);
}

/** `note`: why the body passes as it is. */
async function changedBody(
  change: BodyChange | null,
  { sample, variables, mappers }: Rehearsal,
): Promise<{ readonly body: unknown; readonly note: string | null }> {
  const { body } = sample;
  const hasBody = body !== undefined && sample.status !== 204 && sample.status !== 304;
  if (change === null || !hasBody) return { body, note: null };
  const type = valueOf(sample.fields, "content-type");
  const passed = (rule: "fail" | "pass", reason: string) => {
    if (rule === "fail") throw new Refused(reason);
    return { body, note: `the body passes as it is: ${reason}` };
  };
  if (!isJson(type)) return passed(change.otherTypes, `it is no JSON, but ${type ?? "of no type"}`);
  const reason = unreadable(type as string, valueOf(sample.fields, "content-encoding"));
  if (reason !== undefined) return passed(change.onError, reason);
  const bytes = Buffer.from(JSON.stringify(body));
  if (bytes.length > change.maxInput) return passed(change.onError, `it has more than ${change.maxInput} bytes`);
  const { expression, maxOutput, timeoutMs } = change;
  const job = { sandboxId: "", expression, variables, maxOutput, timeoutMs, body: bytes, beginBy: Infinity };
  const result = await mappers.map(job, new AbortController().signal);
  if (!Buffer.isBuffer(result)) return passed(change.onError, result.message);
  return { body: JSON.parse(result.toString("utf8")), note: null };
}

function valueOf(fields: readonly string[], name: string): string | undefined {
  const index = fields.findIndex((each, at) => at % 2 === 0 && each === name);
  return index < 0 ? undefined : fields[index + 1];
}
