import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { importPublicKey } from "../../../src/auth/keys/signing.ts";
import type { PublicJwk, SigningAlgorithm } from "../../../src/domain/credential/signing-key.ts";

const rsa = (modulusLength: number, publicExponent = 65_537): PublicJwk =>
  generateKeyPairSync("rsa", { modulusLength, publicExponent }).publicKey.export({ format: "jwk" }) as PublicJwk;
const RSA = rsa(2048);
const EC = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" }) as PublicJwk;
const ED = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }) as PublicJwk;
const hex = (text: string): string => Buffer.from(text, "hex").toString("base64url");
const bytes = (...values: number[]): string => Buffer.from(values).toString("base64url");
const weak = (details: RegExp) => expect.objectContaining({ code: "GW_021", details: expect.stringMatching(details) });

test("sound keys are taken", async () => {
  await expect(importPublicKey(RSA, "RS256")).resolves.toBeDefined();
  await expect(importPublicKey({ ...RSA, e: bytes(3) }, "RS256")).resolves.toBeDefined();
  await expect(importPublicKey(EC, "ES256")).resolves.toBeDefined();
  await expect(importPublicKey(ED, "EdDSA")).resolves.toBeDefined();
});

test.each<readonly [string, PublicJwk, SigningAlgorithm, RegExp]>([
  ["RSA of 1024 bits", rsa(1024), "RS256", /1024 bits/],
  [
    "RSA of 2047 bits, written with zeros before it",
    { ...RSA, n: bytes(0, 0, 0x7f, ...Array(255).fill(0xff)) },
    "RS256",
    /2047/,
  ],
  ["RSA of 16384 bits", { ...RSA, n: bytes(...Array(2048).fill(0xff)) }, "RS256", /more than/],
  ["RSA without a modulus", { ...RSA, n: "" }, "RS256", /0 bits/],
  ["e = 1", { ...RSA, e: bytes(1) }, "RS256", /exponent/],
  ["e = 1, written with zeros before it", { ...RSA, e: bytes(0, 0, 1) }, "RS256", /exponent/],
  ["e = 2", { ...RSA, e: bytes(2) }, "RS256", /exponent/],
  ["e = 0", { ...RSA, e: bytes(0) }, "RS256", /exponent/],
  ["e of 64 bits", { ...RSA, e: bytes(1, 0, 0, 0, 0, 0, 0, 1) }, "RS256", /exponent/],
  ["another kind of key", EC, "RS256", /no key for RS256/],
  ["another curve", { ...EC, crv: "P-384" }, "ES256", /no key for ES256/],
  ["a point beside the curve", { ...EC, y: EC["x"] as string }, "ES256", /cannot be read/],
  ["a shared secret", { kty: "oct", k: "AAAA" }, "HS256", /no key for HS256/],
  ["X25519", { ...ED, crv: "X25519" }, "EdDSA", /no key for EdDSA/],
  ["too short a point", { ...ED, x: bytes(1, 2, 3) }, "EdDSA", /length/],
  ...[
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  ].map((point) => [`the point ${point}`, { ...ED, x: hex(point) }, "EdDSA", /small order/] as const),
])("a key that is not sound is refused: %s", async (_, jwk, algorithm, why) => {
  await expect(importPublicKey(jwk, algorithm)).rejects.toEqual(weak(why));
});
