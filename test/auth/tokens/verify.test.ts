import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { secretSigner, type Signer } from "../../../src/auth/keys/signing.ts";
import { issueToken, tokenHash } from "../../../src/auth/tokens/issue.ts";
import { storedKey, verifierWith } from "../../support/signing-keys.ts";

const NOW = 1_800_000_000_000;
const SECOND = 1000;
const KEY = secretSigner(Buffer.from("0123456789abcdef0123456789abcdef"));
const OTHER_KEY = secretSigner(Buffer.from("fedcba9876543210fedcba9876543210"));
const PLACE = { issuer: "sandboxgw", audience: "agents" };

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const HEADER = { alg: "HS256", typ: "JWT", kid: KEY.id };
const CLAIMS = {
  iss: PLACE.issuer,
  aud: PLACE.audience,
  sub: "agent-1",
  jti: "tok_1",
  iat: NOW / SECOND,
  nbf: NOW / SECOND,
  exp: NOW / SECOND + 60,
  role: "executor",
};

const encode = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token made by hand, with anything in it. */
function made({
  header = HEADER,
  claims = CLAIMS,
  secret = KEY.key as Uint8Array,
}: {
  header?: unknown;
  claims?: unknown;
  secret?: Uint8Array;
} = {}): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

function verifier({
  keys = [KEY],
  clockSkewMs = 0,
  now = NOW,
}: {
  keys?: Signer[];
  clockSkewMs?: number;
  now?: number;
} = {}) {
  return verifierWith({ keys: keys.map(storedKey), ...PLACE, clockSkewMs, now: () => now });
}

const refusal = (details: string) => expect.objectContaining({ code: "AUTH_001", details });
const without = (name: keyof typeof CLAIMS) =>
  Object.fromEntries(Object.entries(CLAIMS).filter(([key]) => key !== name));

describe("a token that is right", () => {
  it("speaks for its principal", async () => {
    expect(await verifier().verify(made())).toEqual({
      subject: "agent-1",
      role: "executor",
      credential: "token",
      tokenId: "tok_1",
      grantedBy: null,
      keyId: KEY.id,
      issuedAt: NOW,
      sandboxes: null,
      operations: null,
      scope: null,
      expiresAt: NOW + 60 * SECOND,
    });
  });

  it("is what issueToken makes, narrowings included", async () => {
    const principal = { subject: "ci", role: "viewer", tokenId: "tok_2", sandboxes: ["py-*"], operations: [] } as const;
    const token = await issueToken({ principal, key: KEY, ...PLACE, expiresAt: NOW + 5999, now: NOW + 1 });
    expect(await verifier().verify(token)).toMatchObject({ ...principal, issuedAt: NOW, expiresAt: NOW + 5 * SECOND });
    const [header, claims] = token
      .split(".")
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
    expect(header).toEqual(HEADER);
    expect(claims).toMatchObject({ iss: PLACE.issuer, aud: PLACE.audience, iat: NOW / SECOND, nbf: NOW / SECOND });
  });

  it("that does not say when it was made is as old as can be", async () => {
    const { issuedAt } = await verifier().verify(made({ claims: without("iat") }));
    expect(issuedAt).toBe(0);
  });

  it.each([
    ["without kid, when there is one key", { header: { alg: "HS256" } }],
    ["without typ", { header: { alg: "HS256", kid: KEY.id } }],
    ["of type at+jwt", { header: { ...HEADER, typ: "at+jwt" } }],
    ["with header parameters nobody knows", { header: { ...HEADER, x: 1 } }],
    ["with claims nobody knows", { claims: { ...CLAIMS, scope: "a b" } }],
    ["for several audiences", { claims: { ...CLAIMS, aud: ["other", PLACE.audience] } }],
    ["without iat and nbf", { claims: { ...without("iat"), nbf: undefined } }],
  ])("is accepted %s", async (_, parts) => {
    await expect(verifier().verify(made(parts))).resolves.toMatchObject({ subject: "agent-1" });
  });

  it("is accepted under either of two keys, by its kid", async () => {
    const both = verifier({ keys: [KEY, OTHER_KEY] });
    await expect(both.verify(made())).resolves.toBeDefined();
    const other = made({ header: { ...HEADER, kid: OTHER_KEY.id }, secret: OTHER_KEY.key as Uint8Array });
    await expect(both.verify(other)).resolves.toBeDefined();
  });
});

describe("a token that is wrong", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = rsa.publicKey.export({ type: "spki", format: "pem" });
  const rs256 = () => {
    const input = `${encode({ ...HEADER, alg: "RS256" })}.${encode(CLAIMS)}`;
    return `${input}.${sign("sha256", Buffer.from(input), rsa.privateKey).toString("base64url")}`;
  };
  const unsigned = (alg: string) => `${encode({ ...HEADER, alg })}.${encode(CLAIMS)}.`;

  it.each([
    // Signature and algorithm.
    ["signed with another secret", made({ secret: OTHER_KEY.key as Uint8Array }), "Signature does not match"],
    ["alg none, unsigned", unsigned("none"), "Token is malformed"],
    ["alg none, with a signature", made({ header: { ...HEADER, alg: "none" } }), "Algorithm is not allowed"],
    ["alg nOnE", made({ header: { ...HEADER, alg: "nOnE" } }), "Algorithm is not allowed"],
    ["alg RS256", rs256(), "Algorithm is not allowed"],
    ["alg HS512", made({ header: { ...HEADER, alg: "HS512" } }), "Algorithm is not allowed"],
    ["alg hs256", made({ header: { ...HEADER, alg: "hs256" } }), "Algorithm is not allowed"],
    ["alg missing", made({ header: { kid: KEY.id } }), "Algorithm is not allowed"],
    ["alg a list", made({ header: { ...HEADER, alg: ["HS256"] } }), "Algorithm is not allowed"],
    ["HS256 under a public key's text", made({ secret: Buffer.from(pem) }), "Signature does not match"],
    ["signed with an empty key", made({ secret: Buffer.alloc(1) }), "Signature does not match"],
    // Which key.
    ["kid unknown", made({ header: { ...HEADER, kid: "other" } }), "Token was signed with an unknown key"],
    ["kid a path", made({ header: { ...HEADER, kid: "../../dev/null" } }), "Token was signed with an unknown key"],
    ["kid __proto__", made({ header: { ...HEADER, kid: "__proto__" } }), "Token was signed with an unknown key"],
    ["kid a prefix", made({ header: { ...HEADER, kid: KEY.id.slice(0, -1) } }), "Token was signed with an unknown key"],
    ["kid a number", made({ header: { ...HEADER, kid: 0 } }), "Token is malformed"],
    ["kid null", made({ header: { ...HEADER, kid: null } }), "Token is malformed"],
    ["kid an object", made({ header: { ...HEADER, kid: { toString: KEY.id } } }), "Token is malformed"],
    // Header parameters that would change how it is read, or bring a key.
    ...["crit", "b64", "zip", "jku", "jwk", "x5u", "x5c"].map(
      (name) =>
        [name, made({ header: { ...HEADER, [name]: null } }), `Header parameter ${name} is not allowed`] as const,
    ),
    ["typ of something else", made({ header: { ...HEADER, typ: "JWE" } }), "Token is of another type"],
    ["typ not a string", made({ header: { ...HEADER, typ: 1 } }), "Token is of another type"],
    // Form.
    ["empty", "", "Token is malformed"],
    ["one part", "abcd", "Token is malformed"],
    ["two parts", made().split(".").slice(0, 2).join("."), "Token is malformed"],
    ["four parts", `${made()}.abcd`, "Token is malformed"],
    ["five parts (encrypted)", "a.b.c.d.e", "Token is malformed"],
    ["empty header", made().replace(/^[^.]+/, ""), "Token is malformed"],
    ["empty claims", made().replace(/\.[^.]+\./, ".."), "Token is malformed"],
    ["padded", `${made()}=`, "Token is malformed"],
    ["with a space", `${made()} `, "Token is malformed"],
    ["with a line end", `${made()}\n`, "Token is malformed"],
    ["with a leading space", ` ${made()}`, "Token is malformed"],
    ["in plain base64", made().replace(/.$/, "+"), "Token is malformed"],
    ["header not JSON", made({ header: "HS256" }), "Token is malformed"],
    ["header a list", made({ header: [HEADER] }), "Token is malformed"],
    ["header null", made({ header: null }), "Token is malformed"],
    [
      "header not UTF-8",
      made().replace(/^[^.]+/, Buffer.from([0x22, 0xff, 0x22]).toString("base64url")),
      "Token is malformed",
    ],
    ["claims a list", made({ claims: [CLAIMS] }), "Token is malformed"],
    ["claims not JSON", made({ claims: "x" }), "Token is malformed"],
    ["larger than 8 KiB", made({ claims: { ...CLAIMS, pad: "x".repeat(8192) } }), "Token is too large"],
    // Claims.
    ["from another issuer", made({ claims: { ...CLAIMS, iss: "other" } }), "Wrong issuer"],
    ["issuer missing", made({ claims: without("iss") }), "Claim iss is missing"],
    ["for another audience", made({ claims: { ...CLAIMS, aud: "other" } }), "Wrong audience"],
    ["for no audience", made({ claims: { ...CLAIMS, aud: [] } }), "Wrong audience"],
    ["audience missing", made({ claims: without("aud") }), "Claim aud is missing"],
    ["expired now", made({ claims: { ...CLAIMS, exp: NOW / SECOND } }), "Token has expired"],
    ["exp missing", made({ claims: without("exp") }), "Claim exp is missing"],
    ["exp a string", made({ claims: { ...CLAIMS, exp: "1900000000" } }), "Claim exp is not valid"],
    ["exp null", made({ claims: { ...CLAIMS, exp: null } }), "Claim exp is not valid"],
    ["exp beyond all time", made({ claims: { ...CLAIMS, exp: 1e300 } }), "Claim exp is not valid"],
    [
      "exp infinite",
      made({ claims: JSON.stringify(CLAIMS).replace(/"exp":\d+/, '"exp":1e999') }),
      "Claim exp is not valid",
    ],
    ["not valid yet", made({ claims: { ...CLAIMS, nbf: NOW / SECOND + 1 } }), "Token is not valid yet"],
    ["nbf a string", made({ claims: { ...CLAIMS, nbf: "0" } }), "Claim nbf is not valid"],
    ["iat a string", made({ claims: { ...CLAIMS, iat: "0" } }), "Claim iat is not valid"],
    ["jti missing", made({ claims: without("jti") }), "Claim jti is missing"],
    ["jti empty", made({ claims: { ...CLAIMS, jti: "" } }), "Claim jti is not valid"],
    ["sub missing", made({ claims: without("sub") }), "Claim sub is missing"],
    ["sub a number", made({ claims: { ...CLAIMS, sub: 1 } }), "Claim sub is not valid"],
    ["sub with a line end", made({ claims: { ...CLAIMS, sub: "a\nb" } }), "Claim sub is not valid"],
    ["sub too long", made({ claims: { ...CLAIMS, sub: "a".repeat(257) } }), "Claim sub is not valid"],
    ["role missing", made({ claims: without("role") }), "Claim role is missing"],
    ["role no name", made({ claims: { ...CLAIMS, role: "Root" } }), "Claim role is not valid"],
    ["role a list", made({ claims: { ...CLAIMS, role: ["admin"] } }), "Claim role is not valid"],
    ["sandboxes a string", made({ claims: { ...CLAIMS, sandboxes: "py" } }), "Claim sandboxes is not valid"],
    ["sandboxes null", made({ claims: { ...CLAIMS, sandboxes: null } }), "Claim sandboxes is not valid"],
    ["operations with a number", made({ claims: { ...CLAIMS, operations: [1] } }), "Claim operations is not valid"],
  ] as const)("is refused: %s", async (_, token, details) => {
    await expect(verifier().verify(token)).rejects.toEqual(refusal(details));
  });

  it("is refused without kid when there are two keys", async () => {
    const both = verifier({ keys: [KEY, OTHER_KEY] });
    await expect(both.verify(made({ header: { alg: "HS256" } }))).rejects.toEqual(refusal("Token names no key"));
  });

  it("is refused when it names one key and is signed with the other", async () => {
    const both = verifier({ keys: [KEY, OTHER_KEY] });
    await expect(both.verify(made({ secret: OTHER_KEY.key as Uint8Array }))).rejects.toEqual(
      refusal("Signature does not match"),
    );
  });

  it("is refused when an unused bit of its last character is set, though it decodes to the same bytes", async () => {
    const token = made();
    const last = ALPHABET.indexOf(token.at(-1) ?? "");
    // A signature of 32 bytes ends in a character with two unused bits.
    for (const bits of [1, 2, 3]) {
      const twin = token.slice(0, -1) + ALPHABET[last | bits];
      expect(Buffer.from(twin.split(".")[2] ?? "", "base64url")).toEqual(
        Buffer.from(token.split(".")[2] ?? "", "base64url"),
      );
      await expect(verifier().verify(twin)).rejects.toEqual(refusal("Token is malformed"));
    }
  });

  it("is refused whatever single character of it is changed", async () => {
    const token = made();
    const change = fc.record({
      at: fc.nat(token.length - 1),
      to: fc.constantFrom(...Array.from(`${ALPHABET}.=+/ `)),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, to }) => {
        fc.pre(token[at] !== to);
        const changed = token.slice(0, at) + to + token.slice(at + 1);
        await expect(verifier().verify(changed)).rejects.toMatchObject({ code: "AUTH_001" });
      }),
      { numRuns: 300 },
    );
  });

  it("never appears in the error", async () => {
    const token = made({ secret: OTHER_KEY.key as Uint8Array });
    const error: unknown = await verifier()
      .verify(token)
      .catch((thrown: unknown) => thrown);
    const parts = token.split(".");
    for (const part of parts) expect(JSON.stringify([error, String(error)])).not.toContain(part);
  });
});

const skewed = (now: number) => verifier({ clockSkewMs: 30 * SECOND, now });

describe("a token is ours", () => {
  it("when a key of ours has signed it, however old it is and whatever it says", async () => {
    const old = { ...CLAIMS, exp: 1, iss: "elsewhere", sub: undefined };
    for (const token of [made(), made({ claims: old }), made({ header: { alg: "HS256" } })]) {
      expect(await verifier().signed(token)).toBe(true);
    }
  });

  it.each([
    ["another key's signature", made({ secret: OTHER_KEY.key as Uint8Array })],
    ["another key", made({ header: { ...HEADER, kid: OTHER_KEY.id }, secret: OTHER_KEY.key as Uint8Array })],
    ["no signature", made().replace(/[^.]*$/, "")],
    ["no token", "opaque"],
    ["nothing", ""],
  ])("not with %s", async (_why, token) => {
    expect(await verifier().signed(token)).toBe(false);
  });
});

describe("the clock", () => {
  it("may be off by the skew, at both ends", async () => {
    const token = made();
    await expect(skewed(NOW - 30 * SECOND).verify(token)).resolves.toBeDefined();
    await expect(skewed(NOW - 31 * SECOND).verify(token)).rejects.toEqual(refusal("Token is not valid yet"));
    await expect(skewed(NOW + 89_999).verify(token)).resolves.toBeDefined();
    await expect(skewed(NOW + 90_000).verify(token)).rejects.toEqual(refusal("Token has expired"));
  });

  it("does not move a token's expiry", async () => {
    expect((await skewed(NOW + 80_000).verify(made())).expiresAt).toBe(NOW + 60_000);
  });
});

describe("tokenHash", () => {
  it("is HMAC-SHA-256 in hex, under the key given", () => {
    const key = Buffer.alloc(32, 1);
    expect(tokenHash(key, "abc")).toBe(createHmac("sha256", key).update("abc").digest("hex"));
    expect(tokenHash(Buffer.alloc(32, 2), "abc")).not.toBe(tokenHash(key, "abc"));
  });
});
