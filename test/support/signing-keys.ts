import { sealSigningKey, type Signer } from "../../src/auth/keys/signing.ts";
import { VerificationKeys } from "../../src/auth/keys/verification-keys.ts";
import { readToken } from "../../src/auth/tokens/form.ts";
import { TokenVerifier, type TokenVerifierOptions } from "../../src/auth/tokens/verify.ts";
import type { SigningKey } from "../../src/domain/credential/signing-key.ts";

export const SEALING_KEY = new Uint8Array(32).fill(7);

/** A shared secret as a key of a data folder that signs. */
export function storedKey({ id, algorithm, key }: Signer): SigningKey {
  return sealSigningKey(SEALING_KEY, { id, algorithm, secret: key as Uint8Array, now: 1 });
}

/** A verifier of the tokens of these keys. */
export function verifierWith({
  keys,
  now = Date.now,
  ...options
}: Omit<TokenVerifierOptions, "keys"> & { keys: readonly SigningKey[] }) {
  const own = new VerificationKeys({ keys: { sealingKey: SEALING_KEY, tokenSecret: null }, now });
  const verifier = new TokenVerifier({ ...options, keys: own, now });
  const known = new Map(keys.map((key) => [key.id, key]));
  return {
    verify: (token: string) => Promise.resolve().then(() => verifier.verify(token, readToken(token), known)),
    signed: (token: string) => verifier.signed(token, known),
  };
}
