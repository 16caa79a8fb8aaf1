import { createHmac } from "node:crypto";
import type { LinkRecord } from "../domain/credential/link.ts";
import { claimed, isProven, proven } from "./proven-text.ts";

/** The query parameter in which a link comes, and the cookie into which its first use turns it. */
export const LINK_PARAMETER = "sgw_link";
export const LINK_COOKIE = "sandboxgw_link";

type LinkClaims = Omit<LinkRecord, "revokedAt">;

/** The text that proves a link, with everything that it allows in it. */
export function linkText(hashKey: Uint8Array, link: LinkClaims): string {
  const { id, keyId, subject, sandboxId, port, methods, path, createdAt, expiresAt } = link;
  return proven(keyOf(hashKey, keyId), [id, keyId, subject, sandboxId, port, methods, path, createdAt, expiresAt]);
}

/** The link that a text proves; undefined when it proves none. Whether it has ended or was taken back is not asked. */
export function linkFrom(hashKey: Uint8Array, text: string): LinkClaims | undefined {
  const claims = claimed(text);
  if (!Array.isArray(claims) || typeof claims[1] !== "string") return undefined;
  if (!isProven(keyOf(hashKey, claims[1]), text)) return undefined;
  // Proven: nobody but `linkText` has made it, so its parts are what they are there.
  const [id, keyId, subject, sandboxId, port, methods, path, createdAt, expiresAt] = claims;
  return { id, keyId, subject, sandboxId, port, methods, path, createdAt, expiresAt };
}

/** Each key id has a key of its own, which is nowhere but in the data folder's. */
function keyOf(hashKey: Uint8Array, keyId: string): Buffer {
  return createHmac("sha256", hashKey).update(`sandboxgw links ${keyId}`).digest();
}
