import { signingKeyState } from "../../domain/credential/signing-key.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";

/** How long whoever asked may keep it; one who meets a `kid` that is not in it asks again. */
export const JWKS_CACHE = "public, max-age=300";

/**
 * The public halves of the keys that verify tokens at `now` (ms since the epoch), as a JWK set (RFC 7517 section 5): for those
 * who check this gateway's tokens themselves. Shared secrets are never in it.
 */
export function jwkSet({ signingKeys }: Pick<Snapshot, "signingKeys">, now: number): string {
  const keys = [...signingKeys.values()].flatMap((key) => {
    const { id, algorithm, publicJwk } = key;
    if (publicJwk === null || signingKeyState(key, now) === "retired") return [];
    return [{ ...publicJwk, kid: id, alg: algorithm, use: "sig" }];
  });
  return JSON.stringify({ keys });
}
