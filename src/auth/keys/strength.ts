import type { PublicJwk, SigningAlgorithm } from "../../domain/credential/signing-key.ts";

const LEAST_RSA_BITS = 2048;
/** Verifying with a larger one takes its time. */
const MOST_RSA_BITS = 8192;
const MOST_EXPONENT_BYTES = 4;
const KEY_BYTES_25519 = 32;

/** What a public key of each algorithm is made of; a shared secret is none. */
export const KINDS: Readonly<Record<SigningAlgorithm, { readonly kty: string; readonly crv?: string }>> = {
  HS256: { kty: "" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
  ES256: { kty: "EC", crv: "P-256" },
  RS256: { kty: "RSA" },
};

/**
 * Why a public key is not to be trusted with verifying, however well it does; undefined when nothing tells. That a point lies
 * on its curve is checked by who imports it.
 */
export function weaknessOfKey(jwk: PublicJwk, algorithm: SigningAlgorithm): string | undefined {
  const { kty, crv } = KINDS[algorithm];
  if (jwk["kty"] !== kty || (crv !== undefined && jwk["crv"] !== crv)) return `it is no key for ${algorithm}`;
  if (algorithm === "RS256") return weaknessOfRsa(jwk);
  if (algorithm === "EdDSA") return weaknessOf25519(jwk);
  return undefined;
}

function weaknessOfRsa({ n = "", e = "" }: PublicJwk): string | undefined {
  const modulus = withoutZeros(Buffer.from(n, "base64url"));
  const exponent = withoutZeros(Buffer.from(e, "base64url"));
  const bits = modulus.length === 0 ? 0 : modulus.length * 8 - Math.clz32(modulus[0] as number) + 24;
  if (bits < LEAST_RSA_BITS) return `its modulus has ${bits} bits, fewer than ${LEAST_RSA_BITS}`;
  if (bits > MOST_RSA_BITS) return `its modulus has ${bits} bits, more than ${MOST_RSA_BITS}`;
  const last = exponent.at(-1) ?? 0;
  const isOne = exponent.length === 1 && last === 1;
  if (last % 2 === 0 || isOne || exponent.length > MOST_EXPONENT_BYTES) return "its exponent is not a sound one";
  return undefined;
}

// The y of the points of Ed25519 whose order divides 8, little-endian, without the sign: under such a key a signature can be
// made that is good for many messages. The last three are other spellings (y + p) of the first ones.
const SMALL_ORDER: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

function weaknessOf25519({ x = "" }: PublicJwk): string | undefined {
  const point = Buffer.from(x, "base64url");
  if (point.length !== KEY_BYTES_25519) return "its point has another length";
  point.writeUInt8(point.readUInt8(31) & 0x7f, 31);
  return SMALL_ORDER.has(point.toString("hex")) ? "its point is of small order" : undefined;
}

function withoutZeros(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? Buffer.alloc(0) : bytes.subarray(first);
}
