import { JsonRefusal, scanJson } from "../../domain/json-scan.ts";
import { invalid, malformed } from "./refusal.ts";

const MAX_TOKEN = 8 * 1024;
/** Of all objects in a header, or in the claims, together. */
const MAX_MEMBERS = 256;

// Parameters that bring a key along, or change what the others mean (RFC 7515, 4.1; RFC 7797).
const REFUSED_PARAMETERS = ["crit", "b64", "zip", "jku", "jwk", "x5u", "x5c"];
const ACCEPTED_TYPES = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/** An object of a token, as JSON has it. */
export type Members = Readonly<Record<string, unknown>>;

/** A token whose form is right. Nothing in it is proven. */
export interface ReadToken {
  readonly header: Members;
  readonly claims: Members;
}

/**
 * Takes a token apart. Everything is checked that a lenient reader would forgive, and that two readers could understand
 * differently. @throws GatewayError AUTH_001
 */
export function readToken(token: string): ReadToken {
  if (token.length > MAX_TOKEN) throw invalid("Token is too large");
  const parts = token.split(".", 4);
  const [header, claims] = parts;
  if (parts.length !== 3 || !parts.every(isStrictBase64url)) throw malformed();
  const read = { header: parseObject(header as string), claims: parseObject(claims as string) };
  checkHeader(read.header);
  return read;
}

function checkHeader(header: Members): void {
  const refused = REFUSED_PARAMETERS.find((name) => Object.hasOwn(header, name));
  if (refused !== undefined) throw invalid(`Header parameter ${refused} is not allowed`);
  const { typ } = header;
  if (typ !== undefined && !(typeof typ === "string" && ACCEPTED_TYPES.includes(typ.toLowerCase()))) {
    throw invalid("Token is of another type");
  }
}

const BASE64URL = /^[A-Za-z0-9_-]+$/;
/** Last characters whose unused bits are zero, by the length's remainder modulo 4. Others decode to the same bytes. */
const LAST_CHARACTER = [/./, undefined, /[AQgw]$/, /[AEIMQUYcgkosw048]$/];

function isStrictBase64url(text: string): boolean {
  return BASE64URL.test(text) && (LAST_CHARACTER[text.length % 4]?.test(text) ?? false);
}

const BYTE_ORDER_MARK = 0xef;

/** No member may be named twice: of two readers one takes the first and one the last. */
function parseObject(text: string): Members {
  const bytes = Buffer.from(text, "base64url");
  try {
    if (bytes[0] === BYTE_ORDER_MARK) throw malformed();
    scanJson(bytes, { members: MAX_MEMBERS });
    const value: unknown = JSON.parse(bytes.toString());
    if (isRecord(value)) return value;
  } catch (error) {
    if (error instanceof JsonRefusal && error.reason === "duplicate")
      throw invalid("Token names a member twice", error);
    // Not text, or not JSON: reported below.
  }
  throw malformed();
}

export function isRecord(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
