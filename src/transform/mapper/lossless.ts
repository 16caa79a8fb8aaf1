import { JsonRefusal, scanJson } from "../../domain/json-scan.ts";

/** Members of one document; of elements ten times as many. */
const MEMBERS = 200_000;
/** Where one of these occurs, each value is looked at: a number that a double may not hold, a name that is no plain one. */
const SUSPICIOUS = /[0-9]{16}|[0-9][eE][+-]?[0-9]{3}|__proto__|\\u00(?:5[fF]|70|72|6[fF]|74)/;

/**
 * Parses a JSON text that can be written again without loss: no name twice in one object, no number that would become another,
 * nothing nested too deeply.
 * @throws JsonRefusal
 */
export function parseLossless(body: Buffer): unknown {
  scanJson(body, { members: MEMBERS });
  const text = body.toString("utf8", body[0] === 0xef ? 3 : 0);
  return SUSPICIOUS.test(text)
    ? JSON.parse(text, checked as (key: string, value: unknown) => unknown)
    : JSON.parse(text);
}

/** As `JSON.parse` calls it since Node 21 (ECMAScript's JSON.parse source text access). */
function checked(key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (key === "__proto__") throw new JsonRefusal("syntax", "A member named __proto__");
  if (typeof value !== "number" || source === undefined) return value;
  const isSame =
    String(value) === source || (Number.isFinite(value) && (!INTEGER.test(source) || BigInt(source) === BigInt(value)));
  if (!isSame) throw new JsonRefusal("size", "A number that would become another one");
  return value;
}

/** What people use as a name; of other numbers a few digits less are the same to them. */
const INTEGER = /^-?[0-9]+$/;
