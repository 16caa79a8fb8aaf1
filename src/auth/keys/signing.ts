import { createHmac, generateKeyPair, type KeyObject, randomBytes, webcrypto } from "node:crypto";
import { promisify } from "node:util";
import type { PublicJwk, SigningAlgorithm, SigningKey } from "../../domain/credential/signing-key.ts";
import { newId } from "../../domain/id.ts";
import { GatewayError } from "../../errors.ts";
import { KEY_BYTES, seal, unseal } from "./seal.ts";
import { weaknessOfKey } from "./strength.ts";

/** What signs tokens. */
export interface Signer {
  /** The `kid`. */
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly key: Uint8Array | webcrypto.CryptoKey;
}

const RSA_BITS = 3072;
const generate = promisify(generateKeyPair);

type ImportParameters = webcrypto.AlgorithmIdentifier | webcrypto.EcKeyImportParams | webcrypto.HmacImportParams;

const PARAMETERS: Readonly<Record<SigningAlgorithm, ImportParameters>> = {
  HS256: { name: "HMAC", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
};

/** The members of a public key that are its own (RFC 7518, 6; RFC 8037, 2). */
export const PUBLIC_MEMBERS: readonly string[] = ["kty", "crv", "x", "y", "n", "e"];

/** A new key that signs from `now` on (ms since the epoch), its private half sealed under `sealingKey`. */
export async function newSigningKey(
  algorithm: SigningAlgorithm,
  { sealingKey, now }: { sealingKey: Uint8Array; now: number },
): Promise<SigningKey> {
  const id = newId("kid");
  if (algorithm === "HS256") return sealSigningKey(sealingKey, { id, algorithm, secret: randomBytes(KEY_BYTES), now });
  const { publicKey, privateKey } = await keyPair(algorithm);
  const jwk = Object.entries(publicKey.export({ format: "jwk" })).filter(([name]) => PUBLIC_MEMBERS.includes(name));
  const secret = privateKey.export({ type: "pkcs8", format: "der" });
  return {
    ...sealSigningKey(sealingKey, { id, algorithm, secret, now }),
    publicJwk: Object.fromEntries(jwk) as PublicJwk,
  };
}

/** A key whose private half or secret is known. `now`: since when it signs, ms since the epoch. */
export function sealSigningKey(
  sealingKey: Uint8Array,
  { id, algorithm, secret, now }: { id: string; algorithm: SigningAlgorithm; secret: Uint8Array; now: number },
): SigningKey {
  const sealed = seal(sealingKey, sealName(id), secret).toString("base64");
  return { id, algorithm, createdAt: now, retiresAt: null, retiredAt: null, publicJwk: null, sealed };
}

/** What signs with a key. @throws GatewayError GW_009 when it cannot be opened, or was destroyed. */
export async function openSigner(sealingKey: Uint8Array, key: SigningKey): Promise<Signer> {
  const { id, algorithm } = key;
  const secret = openSecret(sealingKey, key);
  if (algorithm === "HS256") return { id, algorithm, key: secret };
  return {
    id,
    algorithm,
    key: await webcrypto.subtle.importKey("pkcs8", secret, PARAMETERS[algorithm], false, ["sign"]),
  };
}

/** What signs with a shared secret (HS256). Its id depends on the secret alone, so gateways that share one agree on it. */
export function secretSigner(secret: Uint8Array): Signer {
  return { id: sharedSecretId(secret), algorithm: "HS256", key: secret };
}

/** Says nothing about the secret. */
export function sharedSecretId(secret: Uint8Array): string {
  return createHmac("sha256", secret).update("sandboxgw key id").digest("base64url").slice(0, 16);
}

/** What verifies what a key has signed. @throws GatewayError GW_009 when it cannot be opened. */
export async function openVerifier(sealingKey: Uint8Array, key: SigningKey): Promise<webcrypto.CryptoKey> {
  const { algorithm, publicJwk } = key;
  if (publicJwk === null) return await importSecret(openSecret(sealingKey, key));
  return await importPublicKey(publicJwk, algorithm);
}

/** @throws GatewayError GW_021 when it is none for this algorithm, or too weak; see `weaknessOfKey`. */
export async function importPublicKey(publicJwk: PublicJwk, algorithm: SigningAlgorithm): Promise<webcrypto.CryptoKey> {
  const weakness = weaknessOfKey(publicJwk, algorithm);
  if (weakness !== undefined) throw new GatewayError("GW_021", { details: weakness });
  try {
    return await webcrypto.subtle.importKey("jwk", publicJwk, PARAMETERS[algorithm], false, ["verify"]);
  } catch (cause) {
    throw new GatewayError("GW_021", { details: "it cannot be read", cause });
  }
}

export function importSecret(secret: Uint8Array): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey("raw", Uint8Array.from(secret), PARAMETERS.HS256, false, ["verify"]);
}

function openSecret(sealingKey: Uint8Array, { id, sealed }: SigningKey): Buffer<ArrayBuffer> {
  if (sealed === null) throw new GatewayError("GW_009", { details: `signing key ${id} has been destroyed` });
  return Buffer.from(unseal(sealingKey, sealName(id), Buffer.from(sealed, "base64")));
}

function sealName(id: string): string {
  return `signing key ${id}`;
}

function keyPair(
  algorithm: Exclude<SigningAlgorithm, "HS256">,
): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  switch (algorithm) {
    case "EdDSA":
      return generate("ed25519");
    case "ES256":
      return generate("ec", { namedCurve: "P-256" });
    case "RS256":
      return generate("rsa", { modulusLength: RSA_BITS });
  }
}
