import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { activeSigner, type KeysOptions, openKeys } from "../../../src/auth/keys/key-ring.ts";
import { seal } from "../../../src/auth/keys/seal.ts";
import { sharedSecretId } from "../../../src/auth/keys/signing.ts";
import { weaknessOf } from "../../../src/domain/value/weak-secret.ts";
import { openDataFolder } from "../../../src/store/data-folder.ts";
import { openTestStore } from "../../support/stores.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const NOTHING = { TOKEN_SECRET: "", SECRETS_KEY_FILE: "" };
const SECRET = "of thirty-two bytes, a good one.";

function fresh(config: Partial<KeysOptions["config"]> = {}) {
  const folder = openDataFolder(temporaryFolder());
  const store = openTestStore(folder.database);
  return { folder, store, config: { ...NOTHING, ...config } };
}

const refused = (code: string, details?: RegExp) =>
  expect.objectContaining({ code, ...(details && { details: expect.stringMatching(details) }) });

describe("openKeys", () => {
  it("makes keys on first start and finds the same ones ever after", async () => {
    const options = fresh();
    const first = await openKeys(options);
    expect(await openKeys(options)).toEqual(first);
    const { key } = await activeSigner(first, options.store.signingKeys);
    expect(key).toHaveLength(32);
    const all = [key as Uint8Array, first.tokenHashKey, first.auditKey, first.sealingKey, first.stickyKey];
    expect(new Set(all.map((secret) => Buffer.from(secret).toString("hex"))).size).toBe(5);
    expect(await options.store.signingKeys.list()).toHaveLength(1);
  });

  it("keeps the master key in a private file and leaves nothing else behind", async () => {
    const options = fresh();
    await openKeys(options);
    expect(statSync(options.folder.secretsKey).mode & 0o777).toBe(0o600);
    expect(readFileSync(options.folder.secretsKey)).toHaveLength(32);
    expect(readdirSync(options.folder.root).filter((name) => name.startsWith("secrets.key"))).toEqual(["secrets.key"]);
  });

  it("stores no key in the clear", async () => {
    const options = fresh();
    const ring = await openKeys(options);
    const { key } = await activeSigner(ring, options.store.signingKeys);
    await options.store.close();
    const { database, databaseLog } = options.folder;
    const written = Buffer.concat([database, databaseLog].filter(existsSync).map((file) => readFileSync(file)));
    expect(written.includes("signing-keys")).toBe(true);
    for (const secret of [key as Uint8Array, ring.tokenHashKey, ring.auditKey, ring.sealingKey]) {
      const bytes = Buffer.from(secret);
      for (const form of [bytes, bytes.toString("base64"), bytes.toString("base64url"), bytes.toString("hex")]) {
        expect(written.includes(form)).toBe(false);
      }
    }
  });

  it("gives processes that start at once on an empty folder one database and the same keys", async () => {
    const folder = join(temporaryFolder(), "data");
    const program = join(import.meta.dirname, "first-start.ts");
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, [program, folder], { stdio: ["pipe", "pipe", "inherit"] }),
    );
    await Promise.all(children.map((child) => once(child.stdout, "data")));
    for (const child of children) child.stdin.end("!");
    const proofs = await Promise.all(children.map((child) => text(child.stdout)));
    expect(proofs[0]).toMatch(/^[0-9a-f]{64} 1\n$/);
    expect(new Set(proofs).size).toBe(1);
  });

  it("uses the master key that is already there when the table is empty", async () => {
    const options = fresh();
    const master = randomBytes(32);
    writeFileSync(options.folder.secretsKey, master, { mode: 0o600 });
    await openKeys(options);
    expect(readFileSync(options.folder.secretsKey)).toEqual(master);
  });

  it("refuses a wrong master key and changes nothing", async () => {
    const options = fresh();
    await openKeys(options);
    const before = await options.store.keys.find("audit");
    writeFileSync(options.folder.secretsKey, randomBytes(32));
    await expect(openKeys(options)).rejects.toEqual(refused("GW_009", /another data folder/));
    expect(await options.store.keys.find("audit")).toEqual(before);
  });

  it("refuses to start without the master key that existing keys were sealed with, and makes no new one", async () => {
    const options = fresh();
    await openKeys(options);
    rmSync(options.folder.secretsKey);
    await expect(openKeys(options)).rejects.toEqual(refused("GW_009", /does not exist/));
    expect(existsSync(options.folder.secretsKey)).toBe(false);
  });

  it("refuses sealed keys that have changed places", async () => {
    const options = fresh();
    await openKeys(options);
    const other = openTestStore();
    const swapped = { "token-hash": "audit", audit: "token-hash" } as const;
    for (const [name, source] of Object.entries(swapped)) {
      await other.keys.createIfAbsent(name, (await options.store.keys.find(source)) ?? Buffer.of(), 1);
    }
    await expect(openKeys({ ...options, store: other })).rejects.toEqual(refused("GW_009"));
  });

  it("refuses a sealed key of which one bit was changed", async () => {
    const options = fresh();
    await openKeys(options);
    const sealed = (await options.store.keys.find("audit")) ?? Buffer.of();
    for (const index of [0, 5, 20, sealed.length - 1]) {
      const other = openTestStore();
      const damaged = Buffer.from(sealed);
      damaged.writeUInt8(damaged.readUInt8(index) ^ 1, index);
      await other.keys.createIfAbsent("audit", damaged, 1);
      await expect(openKeys({ ...options, store: other })).rejects.toEqual(refused("GW_009"));
    }
  });

  it.each([
    ["raw bytes", (key: Buffer) => key],
    ["hex", (key: Buffer) => `${key.toString("hex")}\n`],
    ["base64", (key: Buffer) => `${key.toString("base64")}\n`],
    ["base64url", (key: Buffer) => key.toString("base64url")],
  ])("takes the master key from SECRETS_KEY_FILE as %s", async (_, write) => {
    const key = randomBytes(32);
    const file = join(temporaryFolder(), "mounted");
    writeFileSync(file, write(key), { mode: 0o640 });
    const options = fresh({ SECRETS_KEY_FILE: file });
    const ring = await openKeys(options);
    expect(existsSync(options.folder.secretsKey)).toBe(false);
    writeFileSync(options.folder.secretsKey, key);
    chmodSync(options.folder.secretsKey, 0o600);
    expect(await openKeys({ ...options, config: NOTHING })).toEqual({ ...ring, masterKey: expect.anything() });
  });

  it.each(["", "short", "z".repeat(64)])("refuses a SECRETS_KEY_FILE that holds %j", async (content) => {
    const file = join(temporaryFolder(), "mounted");
    writeFileSync(file, content, { mode: 0o600 });
    await expect(openKeys(fresh({ SECRETS_KEY_FILE: file }))).rejects.toEqual(refused("GW_009", /not 32 bytes/));
  });

  it("goes on with the one signing key of a folder from before there were several, under the same id", async () => {
    const options = fresh();
    const master = randomBytes(32);
    writeFileSync(options.folder.secretsKey, master, { mode: 0o600 });
    const secret = randomBytes(32);
    await options.store.keys.createIfAbsent("token-signing", seal(master, "token-signing", secret), 1);
    const ring = await openKeys(options);
    const { id, key } = await activeSigner(ring, options.store.signingKeys);
    expect({ id, key: Buffer.from(key as Uint8Array) }).toEqual({ id: sharedSecretId(secret), key: secret });
    expect(await options.store.keys.find("token-signing")).toBeUndefined();
    expect(await openKeys(options)).toEqual(ring);
    expect(await options.store.signingKeys.list()).toHaveLength(1);
  });

  it.skipIf(process.platform === "win32")("refuses a master key that others can read", async () => {
    const options = fresh();
    await openKeys(options);
    for (const mode of [0o640, 0o604, 0o602]) {
      chmodSync(options.folder.secretsKey, mode);
      await expect(openKeys(options)).rejects.toEqual(refused("GW_009", /other users: chmod 600/));
    }
    const file = join(temporaryFolder(), "mounted");
    writeFileSync(file, randomBytes(32));
    chmodSync(file, 0o444);
    await expect(openKeys(fresh({ SECRETS_KEY_FILE: file }))).rejects.toEqual(refused("GW_009", /chmod o=/));
  });

  it("signs with TOKEN_SECRET when there is one, under an id that depends on the secret alone", async () => {
    const signers = [fresh({ TOKEN_SECRET: SECRET }), fresh({ TOKEN_SECRET: SECRET })].map(async (options) => {
      const ring = await openKeys(options);
      return { ring, signer: await activeSigner(ring, options.store.signingKeys) };
    });
    const [one, two] = await Promise.all(signers);
    expect(Buffer.from(one?.signer.key as Uint8Array).toString()).toBe(SECRET);
    expect(two?.signer.id).toBe(one?.signer.id);
    expect(two?.ring.tokenHashKey).not.toEqual(one?.ring.tokenHashKey);
    expect(sharedSecretId(Buffer.from(`${SECRET}!`))).not.toBe(one?.signer.id);
  });

  it("counts a TOKEN_SECRET in bytes and refuses fewer than 32", async () => {
    await expect(openKeys(fresh({ TOKEN_SECRET: SECRET.slice(1) }))).rejects.toEqual(refused("GW_012", /31 bytes/));
    expect((await openKeys(fresh({ TOKEN_SECRET: "äöüßéèêàâîïôûçñø" }))).tokenSecret).toHaveLength(32);
  });
});

describe("TOKEN_SECRET", () => {
  it.each([
    ["a-string-secret-at-least-256-bits-long", /well-known/],
    ["A-STRING-SECRET-AT-LEAST-256-BITS-LONG", /well-known/],
    ["AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", /well-known/],
    ["hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg", /well-known/],
    ["super-secret-jwt-token-with-at-least-32-characters-long", /well-known/],
    ["x".repeat(64), /one pattern/],
    ["changeme".repeat(4), /one pattern/],
    ["12345678901234567890123456789012", /one pattern/],
    ["your-256-bit-secretyour-256-bit-secret", /one pattern/],
    ["aabbccddaabbccaabbccddddaabbccddab", /different characters/],
  ])("is refused when everybody can guess it: %s", async (secret, why) => {
    await expect(openKeys(fresh({ TOKEN_SECRET: secret }))).rejects.toEqual(refused("GW_012", why));
    await expect(openKeys(fresh({ TOKEN_SECRET: secret }))).rejects.not.toMatchObject({
      details: expect.stringContaining(secret),
    });
  });

  it("is good when it is random, whatever its alphabet", async () => {
    for (let round = 0; round < 200; round++) {
      for (const encoding of ["hex", "base64", "base64url"] as const) {
        expect(weaknessOf(randomBytes(32).toString(encoding))).toBeUndefined();
      }
    }
  });
});
