import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { GatewayError } from "../../errors.ts";

/** Bytes of a key that seals. */
export const KEY_BYTES = 32;

// A sealed secret: format (1 byte), nonce (12), tag (16), ciphertext. The name is authenticated too, so that sealed secrets
// cannot change places.
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

/** Encrypts a secret (AES-256-GCM) under `key`, to be opened under the same name only. */
export function seal(key: Uint8Array, name: string, secret: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(name));
  const text = Buffer.concat([cipher.update(secret), cipher.final()]);
  return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), text]);
}

/** @throws GatewayError GW_009 when it was sealed under another key or name, or has been changed. */
export function unseal(key: Uint8Array, name: string, sealed: Uint8Array): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
  if (bytes[0] !== FORMAT || bytes.length <= HEADER_BYTES) {
    throw new GatewayError("GW_009", { details: `key ${name} is stored in an unknown form` });
  }
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
  const tag = bytes.subarray(1 + NONCE_BYTES, HEADER_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(name)).setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(bytes.subarray(HEADER_BYTES)), decipher.final()]);
  } catch (error) {
    const details = `the master key does not open key ${name}: it belongs to another data folder`;
    throw new GatewayError("GW_009", { details, cause: error });
  }
}

/** Whether `unseal` would open it. */
export function isSealedWith(key: Uint8Array, name: string, sealed: Uint8Array): boolean {
  try {
    return unseal(key, name, sealed).length > 0;
  } catch {
    return false;
  }
}
