import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * A JSON value, and the proof that who has the key has said it: base64url, a dot, HMAC-SHA-256 in full. The longest is a ticket:
 * for a path of 1,024 characters, of a subject of 320, all of them as long as JSON and UTF-8 can make them, 4.5 KB.
 */
const FORM = /^([A-Za-z0-9_-]{1,6144})\.([A-Za-z0-9_-]{43})$/;

/** Says a value so that nobody else can. */
export function proven(key: Uint8Array, value: unknown): string {
  const said = Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${said}.${proof(key, said)}`;
}

/** What is said, unproven: only to find the key by which it has to be. Undefined where nothing is. */
export function claimed(text: string): unknown {
  const [, said] = FORM.exec(text) ?? [];
  if (said === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(said, "base64url").toString());
  } catch {
    return undefined;
  }
}

/** Whether the key's owner has said it. Compared as texts: a proof in base64 that only decodes to the same bytes is none. */
export function isProven(key: Uint8Array, text: string): boolean {
  const [, said = "", shown = ""] = FORM.exec(text) ?? [];
  return said !== "" && timingSafeEqual(Buffer.from(shown), Buffer.from(proof(key, said)));
}

function proof(key: Uint8Array, said: string): string {
  return createHmac("sha256", key).update(said).digest("base64url");
}
