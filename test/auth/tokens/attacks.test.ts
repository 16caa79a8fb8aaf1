import { createHook } from "node:async_hooks";
import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import dns from "node:dns";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import { expect, test, vi } from "vitest";
import { newSigningKey, openSigner } from "../../../src/auth/keys/signing.ts";
import { issueToken } from "../../../src/auth/tokens/issue.ts";
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from "../../../src/domain/credential/signing-key.ts";
import { SEALING_KEY, verifierWith } from "../../support/signing-keys.ts";

const NOW = 1_800_000_000_000;
const PLACE = { issuer: "sandboxgw", audience: "agents" };
const CLAIMS = { iss: "sandboxgw", aud: "agents", sub: "a", jti: "t", role: "admin", exp: NOW / 1000 + 60 };

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
const encode = (value: unknown): string => Buffer.from(text(value)).toString("base64url");

/** Whoever attacks: has keys of their own, knows every public one, and has seen a token of each. */
async function world() {
  const keys = await Promise.all(
    SIGNING_ALGORITHMS.map((algorithm) => newSigningKey(algorithm, { sealingKey: SEALING_KEY, now: 1 })),
  );
  const byAlgorithm = Object.fromEntries(keys.map((key) => [key.algorithm, key])) as Record<
    SigningAlgorithm,
    (typeof keys)[number]
  >;
  const principal = { subject: "a", role: "executor", tokenId: "t", sandboxes: null, operations: null } as const;
  const good = await Promise.all(
    keys.map(async (key) =>
      issueToken({
        principal,
        key: await openSigner(SEALING_KEY, key),
        ...PLACE,
        expiresAt: NOW + 60_000,
        now: NOW - 1000,
      }),
    ),
  );
  return {
    verifier: verifierWith({ keys, ...PLACE, clockSkewMs: 30_000, now: () => NOW }),
    kid: (algorithm: SigningAlgorithm): string => byAlgorithm[algorithm].id,
    jwk: (algorithm: SigningAlgorithm) => byAlgorithm[algorithm].publicJwk ?? {},
    good: Object.fromEntries(keys.map((key, index) => [key.algorithm, good[index]])) as Record<
      SigningAlgorithm,
      string
    >,
  };
}

type Sign = (input: Buffer) => Buffer;

function made(header: unknown, claims: unknown, signature: Sign | Buffer): string {
  const input = `${encode(header)}.${encode(claims)}`;
  const bytes = typeof signature === "function" ? signature(Buffer.from(input)) : signature;
  return `${input}.${bytes.toString("base64url")}`;
}

const hmac =
  (secret: string | Buffer, hash = "sha256"): Sign =>
  (input) =>
    createHmac(hash, secret).update(input).digest();

const OWN = {
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: generateKeyPairSync("ed25519"),
};
const rsa: Sign = (input) => sign("sha256", input, OWN.RS256.privateKey);
const ecdsa: Sign = (input) => sign("sha256", input, { key: OWN.ES256.privateKey, dsaEncoding: "ieee-p1363" });
const eddsa: Sign = (input) => sign(null, input, OWN.EdDSA.privateKey);
const pem = (jwk: object): string => publicKey(jwk).export({ type: "spki", format: "pem" }).toString();

function publicKey(jwk: object): KeyObject {
  return createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
}

/** The bytes of the curve's order n of P-256, and of the one of Ed25519 (little-endian). */
const P256_N = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
const L = Buffer.from("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", "hex");
const ZERO = Buffer.alloc(32);
const ONE = Buffer.concat([Buffer.alloc(31), Buffer.of(1)]);

/** The forms of attack, each as a token. */
function attacks({ kid, jwk, good }: Awaited<ReturnType<typeof world>>): (readonly [string, string])[] {
  const HS = { alg: "HS256", kid: kid("HS256"), typ: "JWT" };
  const RS = { alg: "RS256", kid: kid("RS256"), typ: "JWT" };
  const ES = { alg: "ES256", kid: kid("ES256"), typ: "JWT" };
  const ED = { alg: "EdDSA", kid: kid("EdDSA"), typ: "JWT" };
  const guess = hmac("secret");
  const [head = "", body = "", signature = ""] = good.HS256.split(".");
  const edSignature = Buffer.from(good.EdDSA.split(".")[2] as string, "base64url");
  const esSignature = Buffer.from(good.ES256.split(".")[2] as string, "base64url");
  const edInput = good.EdDSA.split(".").slice(0, 2).join(".");
  const esInput = good.ES256.split(".").slice(0, 2).join(".");
  const rsInput = good.RS256.split(".").slice(0, 2).join(".");
  const kids = {
    "a path": "../../../../dev/null",
    "a path of this machine": "/proc/sys/kernel/randomize_va_space",
    "a path with NUL": "/dev/null\0.pem",
    "a URL": "http://127.0.0.1:1/key",
    "a file URL": "file:///dev/null",
    SQL: "x' UNION SELECT 'secret",
    "a command": "key|/usr/bin/id",
    "__proto__ itself": "__proto__",
    constructor: "constructor",
    "another's with a space": `${kid("HS256")} `,
    "of another case": kid("HS256").toUpperCase(),
    empty: "",
    "very long": "k".repeat(4000),
    "a template": "{{7*7}}",
  };
  const brought = { kty: "oct", k: encode("secret") };
  return [
    // No signature.
    ["none", made({ ...HS, alg: "none" }, CLAIMS, guess)],
    ["none without a signature", `${encode({ ...HS, alg: "none" })}.${encode(CLAIMS)}.`],
    ["None", made({ ...HS, alg: "None" }, CLAIMS, guess)],
    ["NONE, no kid", made({ alg: "NONE" }, CLAIMS, guess)],
    ["none with NUL", made({ ...HS, alg: "none\0" }, CLAIMS, guess)],
    ["a good signature taken off", `${head}.${body}.`],
    ["the signature of another token", `${head}.${encode(CLAIMS)}.${signature}`],
    // One algorithm's key in another's place.
    ["HS256 under the RSA key's PEM", made({ ...RS, alg: "HS256" }, CLAIMS, hmac(pem(jwk("RS256"))))],
    [
      "HS256 under the RSA key's PEM without its line end",
      made({ ...RS, alg: "HS256" }, CLAIMS, hmac(pem(jwk("RS256")).trim())),
    ],
    [
      "HS256 under the RSA key's DER",
      made({ ...RS, alg: "HS256" }, CLAIMS, hmac(publicKey(jwk("RS256")).export({ type: "spki", format: "der" }))),
    ],
    [
      "HS256 under the RSA key's modulus",
      made({ ...RS, alg: "HS256" }, CLAIMS, hmac(Buffer.from(jwk("RS256")["n"] as string, "base64url"))),
    ],
    ["HS256 under the JWK's text", made({ ...RS, alg: "HS256" }, CLAIMS, hmac(JSON.stringify(jwk("RS256"))))],
    ["HS256 under the EC key's PEM", made({ ...ES, alg: "HS256" }, CLAIMS, hmac(pem(jwk("ES256"))))],
    [
      "HS256 under the Ed25519 key",
      made({ ...ED, alg: "HS256" }, CLAIMS, hmac(Buffer.from(jwk("EdDSA")["x"] as string, "base64url"))),
    ],
    ["the public key, and the shared secret's kid", made(HS, CLAIMS, hmac(pem(jwk("RS256"))))],
    ["HS384 by HS256's kid", made({ ...HS, alg: "HS384" }, CLAIMS, hmac("secret", "sha384"))],
    ["HS512 by HS256's kid", made({ ...HS, alg: "HS512" }, CLAIMS, hmac("secret", "sha512"))],
    ["RS256 of another's key", made(RS, CLAIMS, rsa)],
    ["RS384 by RS256's kid", made({ ...RS, alg: "RS384" }, CLAIMS, rsa)],
    ["PS256 by RS256's kid", made({ ...RS, alg: "PS256" }, CLAIMS, rsa)],
    ["ES256 of another's key", made(ES, CLAIMS, ecdsa)],
    ["EdDSA of another's key", made(ED, CLAIMS, eddsa)],
    ["EdDSA by ES256's kid", made({ ...ES, alg: "EdDSA" }, CLAIMS, eddsa)],
    ["ES256K by ES256's kid", made({ ...ES, alg: "ES256K" }, CLAIMS, ecdsa)],
    ["an algorithm of encryption", made({ ...HS, alg: "dir", enc: "A128GCM" }, CLAIMS, guess)],
    ["HS256 in other letters", made({ ...HS, alg: "hs256" }, CLAIMS, guess)],
    ["a list of algorithms", made({ ...HS, alg: ["HS256"] }, CLAIMS, guess)],
    ["no algorithm", made({ kid: kid("HS256") }, CLAIMS, guess)],
    ["no kid where there are several keys", made({ alg: "HS256" }, CLAIMS, guess)],
    // What a guess or a leak would give.
    ...["", "secret", "your-256-bit-secret", "\u0001".repeat(32), kid("HS256")].map(
      (secret) => [`signed with ${JSON.stringify(secret)}`, made(HS, CLAIMS, hmac(secret))] as const,
    ),
    // The index that is to become something else.
    ...Object.entries(kids).map(
      ([name, value]) => [`kid ${name}`, made({ ...HS, kid: value }, CLAIMS, guess)] as const,
    ),
    ["kid a number", made({ ...HS, kid: 0 }, CLAIMS, guess)],
    ["kid an object", made({ ...HS, kid: { $ne: null } }, CLAIMS, guess)],
    ["kid null", made({ ...HS, kid: null }, CLAIMS, guess)],
    // A key that the token brings along.
    ["jwk, symmetric", made({ ...HS, jwk: brought }, CLAIMS, guess)],
    ["jwk, RSA", made({ ...RS, jwk: OWN.RS256.publicKey.export({ format: "jwk" }) }, CLAIMS, rsa)],
    ["jwk, EC", made({ ...ES, jwk: OWN.ES256.publicKey.export({ format: "jwk" }) }, CLAIMS, ecdsa)],
    ["jku", made({ ...RS, jku: "http://127.0.0.1:1/jwks.json" }, CLAIMS, rsa)],
    ["jku of the gateway itself", made({ ...RS, jku: "/.well-known/jwks.json" }, CLAIMS, rsa)],
    ["x5u", made({ ...RS, x5u: "https://evil.example/cert.pem" }, CLAIMS, rsa)],
    ["x5u a file", made({ ...RS, x5u: "file:///etc/passwd" }, CLAIMS, rsa)],
    ["x5c", made({ ...RS, x5c: ["MIIB"] }, CLAIMS, rsa)],
    // Parameters that change the others.
    ["crit, unknown", made({ ...HS, crit: ["exp"] }, CLAIMS, guess)],
    ["crit, empty", made({ ...HS, crit: [] }, CLAIMS, guess)],
    ["b64", made({ ...HS, b64: false, crit: ["b64"] }, CLAIMS, guess)],
    ["zip", made({ ...HS, zip: "DEF" }, CLAIMS, guess)],
    ["typ of another kind", made({ ...HS, typ: "logout+jwt" }, CLAIMS, guess)],
    ["typ a list", made({ ...HS, typ: ["JWT"] }, CLAIMS, guess)],
    // Two readings of one text.
    ["alg twice", made(`{"alg":"none","kid":"${kid("HS256")}","alg":"HS256"}`, CLAIMS, guess)],
    ["alg twice, once escaped", made(`{"alg":"HS256","kid":"${kid("HS256")}","\\u0061lg":"none"}`, CLAIMS, guess)],
    ["kid twice", made(`{"alg":"HS256","kid":"x","kid":"${kid("HS256")}"}`, CLAIMS, guess)],
    ["__proto__ in the header", made(`{"alg":"HS256","__proto__":{"kid":"${kid("HS256")}"}}`, CLAIMS, guess)],
    ["a byte order mark", made(`\u{FEFF}${JSON.stringify(HS)}`, CLAIMS, guess)],
    ["text behind the header", made(`${JSON.stringify(HS)}{}`, CLAIMS, guess)],
    ["a header too deep", made(`{"alg":"HS256","x":${"[".repeat(2000)}${"]".repeat(2000)}}`, CLAIMS, guess)],
    // The good token, spelt in another way.
    ["padding", `${good.HS256}=`],
    ["padding in the middle", `${head}=.${body}.${signature}`],
    ["a line end", `${good.HS256}\n`],
    ["a space in the middle", `${head} .${body}.${signature}`],
    ["plain base64", good.HS256.replace(/.$/, "+")],
    ["a bit more in the last character", twin(good.HS256)],
    ["a bit more in the last character, Ed25519", twin(good.EdDSA)],
    ["a bit more in the last character, P-256", twin(good.ES256)],
    ["a fourth part", `${good.HS256}.`],
    ["JSON instead of the compact form", JSON.stringify({ payload: body, protected: head, signature })],
    ["percent-encoded", good.HS256.replaceAll(".", "%2E")],
    // Mathematics.
    ["ES256, r = s = 0", `${esInput}.${Buffer.concat([ZERO, ZERO]).toString("base64url")}`],
    ["ES256, r = 0", `${esInput}.${Buffer.concat([ZERO, esSignature.subarray(32)]).toString("base64url")}`],
    ["ES256, s = 0", `${esInput}.${Buffer.concat([esSignature.subarray(0, 32), ZERO]).toString("base64url")}`],
    ["ES256, r = s = 1", `${esInput}.${Buffer.concat([ONE, ONE]).toString("base64url")}`],
    ["ES256, r = s = n", `${esInput}.${Buffer.concat([P256_N, P256_N]).toString("base64url")}`],
    ["ES256, in DER", `${esInput}.${der(esSignature).toString("base64url")}`],
    ["ES256, too short", `${esInput}.${esSignature.subarray(1).toString("base64url")}`],
    ["ES256, too long", `${esInput}.${Buffer.concat([esSignature, Buffer.of(0)]).toString("base64url")}`],
    ["EdDSA, all zero", `${edInput}.${Buffer.alloc(64).toString("base64url")}`],
    [
      "EdDSA, R the identity and S = 0",
      `${edInput}.${Buffer.concat([Buffer.of(1), Buffer.alloc(63)]).toString("base64url")}`,
    ],
    ["EdDSA, S + L", `${edInput}.${addOrder(edSignature).toString("base64url")}`],
    ["EdDSA, too short", `${edInput}.${edSignature.subarray(0, 63).toString("base64url")}`],
    ["RS256, all zero", `${rsInput}.${Buffer.alloc(384).toString("base64url")}`],
    ["RS256, of one byte", `${rsInput}.${Buffer.of(1).toString("base64url")}`],
    // Form and size.
    ["empty", ""],
    ["two dots", ".."],
    ["larger than 8 KiB", made(HS, { ...CLAIMS, pad: "x".repeat(8192) }, guess)],
    ["of many members", made(HS, Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`m${at}`, 0])), guess)],
  ];
}

/** The same bytes, written with an unused bit set. */
function twin(token: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1) as string) | 1];
}

function der(signature: Buffer): Buffer {
  const both = Buffer.concat([derInteger(signature.subarray(0, 32)), derInteger(signature.subarray(32))]);
  return Buffer.concat([Buffer.of(0x30, both.length), both]);
}

function derInteger(bytes: Buffer): Buffer {
  const value = (bytes[0] as number) > 127 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
  return Buffer.concat([Buffer.of(2, value.length), value]);
}

/** The same signature with the order added to its scalar: one that lax readers take too. */
function addOrder(signature: Buffer): Buffer {
  const sum = Buffer.from(signature);
  let carry = 0;
  for (let at = 0; at < 32; at++) {
    carry += (signature[32 + at] as number) + (L[at] as number);
    sum[32 + at] = carry & 0xff;
    carry >>= 8;
  }
  return sum;
}

/** Counts every touch of a file or the network while `work` runs. */
async function touches(work: () => Promise<void>): Promise<string[]> {
  const seen: string[] = [];
  const spies = [
    ...(["open", "openSync", "readFile", "readFileSync", "stat", "statSync", "createReadStream"] as const).map((name) =>
      vi.spyOn(fs, name).mockImplementation((...args: unknown[]) => void seen.push(`fs.${name} ${String(args[0])}`)),
    ),
    vi.spyOn(dns, "lookup").mockImplementation((): undefined => void seen.push("dns.lookup")),
    vi.spyOn(net, "connect").mockImplementation((() => void seen.push("net.connect")) as never),
    vi.spyOn(globalThis, "fetch").mockImplementation((() => void seen.push("fetch")) as never),
  ];
  const hook = createHook({
    init: (_id, type) => {
      if (/FSREQ|FILEHANDLE|TCP|PIPE|UDP|GETADDRINFO|QUERYWRAP/.test(type)) seen.push(type);
    },
  });
  syncBuiltinESMExports();
  hook.enable();
  try {
    await work();
  } finally {
    hook.disable();
    for (const spy of spies) spy.mockRestore();
    syncBuiltinESMExports();
  }
  return seen;
}

test("every form of attack is refused, and none touches a file or the network; the good tokens are taken", async () => {
  const here = await world();
  const forms = attacks(here);
  expect(forms.length).toBeGreaterThanOrEqual(90);
  const twice = forms.filter(([, token], at) => forms.findIndex(([, other]) => other === token) !== at);
  expect(twice).toEqual([]);
  for (const token of Object.values(here.good)) {
    await expect(here.verifier.verify(token)).resolves.toMatchObject({ subject: "a" });
  }
  const taken: string[] = [];
  const other: unknown[] = [];
  const touched = await touches(async () => {
    for (const [name, token] of forms) {
      await here.verifier.verify(token).then(
        () => taken.push(name),
        (error: { code?: string }) => error.code === "AUTH_001" || other.push([name, error]),
      );
    }
  });
  expect({ taken, other, touched }).toEqual({ taken: [], other: [], touched: [] });
});

test("claims that a key of ours has signed are looked at no less", async () => {
  const { verifier } = await world();
  const key = await newSigningKey("HS256", { sealingKey: SEALING_KEY, now: 1 });
  const { key: secret } = await openSigner(SEALING_KEY, key);
  const own = verifierWith({ keys: [key], ...PLACE, clockSkewMs: 30_000, now: () => NOW });
  const header = { alg: "HS256", kid: key.id, typ: "JWT" };
  const signed = (claims: unknown): string => made(header, claims, hmac(Buffer.from(secret as Uint8Array)));
  await expect(own.verify(signed(CLAIMS))).resolves.toBeDefined();
  const { exp } = CLAIMS;
  const wrong: Record<string, unknown> = {
    "expired beyond the skew": { ...CLAIMS, exp: NOW / 1000 - 31 },
    "not valid for longer than the skew": { ...CLAIMS, nbf: NOW / 1000 + 31 },
    "role twice": `{"iss":"sandboxgw","aud":"agents","sub":"a","jti":"t","exp":${exp},"role":"viewer","role":"admin"}`,
    "sub twice, once escaped": `{"iss":"sandboxgw","aud":"agents","sub":"a","s\\u0075b":"b","jti":"t","exp":${exp},"role":"viewer"}`,
    "members twice, deeper": `{"iss":"sandboxgw","aud":"agents","sub":"a","jti":"t","exp":${exp},"role":"viewer","x":{"a":1,"a":2}}`,
    "an exponent beyond all numbers": text(CLAIMS).replace(String(exp), "1e999"),
    "no audience of ours": { ...CLAIMS, aud: ["agents2"] },
    "an issuer with a space": { ...CLAIMS, iss: "sandboxgw " },
    "an issuer in a list": { ...CLAIMS, iss: ["sandboxgw"] },
    "role in a list": { ...CLAIMS, role: ["admin"] },
    "a subject with a line end": { ...CLAIMS, sub: "a\r\nX-Role: admin" },
    "claims that are a list": [CLAIMS],
  };
  const codes = await Promise.all(
    Object.entries(wrong).map(async ([name, claims]) => {
      const code: unknown = await own.verify(signed(claims)).catch((error: { code?: string }) => error.code);
      return [name, code];
    }),
  );
  expect(codes).toEqual(Object.keys(wrong).map((name) => [name, "AUTH_001"]));
  await expect(verifier.verify(signed(CLAIMS))).rejects.toMatchObject({ code: "AUTH_001" });
});
