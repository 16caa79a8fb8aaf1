import type { Members } from "./form.ts";
import { invalid } from "./refusal.ts";

const MAX_TEXT = 256;
/** The last millisecond a Date can hold. */
const LAST_TIME = 8.64e15;

/** A claim that names somebody or something: short, and without control characters, for it goes into logs and tables. */
export function nameIn(claims: Members, claim: string): string {
  const value = claims[claim];
  if (isName(value)) return value;
  throw invalid(`Claim ${claim} is not valid`);
}

/** Absent means "all". Anything but a list of names is refused: a typing mistake must not widen a token. */
export function narrowingIn(claims: Members, claim: string): readonly string[] | null {
  const value = claims[claim];
  if (value === undefined) return null;
  if (Array.isArray(value) && value.every(isName)) return value;
  throw invalid(`Claim ${claim} is not valid`);
}

/** End of validity, milliseconds since the epoch. */
export function expiryIn({ exp }: Members): number {
  const expiresAt = typeof exp === "number" ? Math.floor(exp * 1000) : Number.NaN;
  if (expiresAt > 0 && expiresAt <= LAST_TIME) return expiresAt;
  throw invalid("Claim exp is not valid");
}

/** Milliseconds since the epoch. One that does not say when it was made is as old as can be: what takes back older ones takes it back. */
export function issueIn({ iat }: Members): number {
  return typeof iat === "number" && Number.isFinite(iat) ? Math.floor(iat * 1000) : 0;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_TEXT && !/\p{Cc}/u.test(value);
}
