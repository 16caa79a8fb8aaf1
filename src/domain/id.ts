import { randomBytes } from "node:crypto";

/** What an id names; the prefix makes it readable in logs and impossible to confuse. */
export type IdPrefix = "exe" | "tok" | "ses" | "ins" | "rte" | "lnk" | "lky" | "req" | "kid";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford base 32: no i, l, o, u

/** A new random id: prefix, underscore, 100 random bits in base 32. */
export function newId(prefix: IdPrefix): string {
  let text = "";
  for (const byte of randomBytes(20)) text += ALPHABET[byte & 31];
  return `${prefix}_${text}`;
}
