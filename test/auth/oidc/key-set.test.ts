import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { readKeySet } from "../../../src/auth/oidc/key-set.ts";

const rsa = (bits: number): object =>
  generateKeyPairSync("rsa", { modulusLength: bits }).publicKey.export({ format: "jwk" });
const ED = generateKeyPairSync("ed25519");
const ed = ED.publicKey.export({ format: "jwk" });
const read = (...keys: unknown[]) => readKeySet(Buffer.from(JSON.stringify({ keys })));

test("keys that are of no use are left out, the others taken", async () => {
  const good = { ...ed, kid: "good" };
  const set = await read(
    good,
    { ...rsa(1024), kid: "weak" },
    { kty: "oct", k: "c2VjcmV0", kid: "shared", alg: "HS256" },
    { ...ed, kid: "encrypts", use: "enc" },
    { ...ed, kid: "signs", key_ops: ["sign"] },
    { ...ed, kid: "other", alg: "RS256" },
    { ...rsa(2048), kid: "pss", alg: "PS256" },
    { ...ed, kid: 7 },
    { kty: "EC", crv: "P-256", x: "AA", y: "AA", kid: "broken" },
    null,
    "text",
    { ...ed, kid: "twice" },
    { ...ed, kid: "twice" },
  );
  expect(set.find("good")).toMatchObject({ algorithm: "EdDSA" });
  const others = ["weak", "shared", "encrypts", "signs", "other", "pss", "7", "broken", "twice", "", "__proto__"];
  for (const kid of [...others, undefined]) expect(set.find(kid)).toBeUndefined();
});

test("the only key there is needs no name", async () => {
  expect((await read(ed)).find(undefined)).toMatchObject({ algorithm: "EdDSA" });
  expect((await read(ed)).find("")).toBeUndefined();
  expect((await read(ed, { ...ed, kid: "b" })).find(undefined)).toBeUndefined();
});

test("a private key that somebody has published by mistake is read as the public one it is", async () => {
  const set = await read({ ...ED.privateKey.export({ format: "jwk" }), kid: "a" });
  expect((await set.find("a")?.key())?.type).toBe("public");
});

test.each(["", "[]", "{}", '{"keys":{}}', '{"keys":[],"keys":[]}', "<html>", `{"keys":[${"{},".repeat(100)}{}]}`])(
  "what is no set of keys is refused: %s",
  async (text) => {
    await expect(readKeySet(Buffer.from(text))).rejects.toThrow(/./);
  },
);
