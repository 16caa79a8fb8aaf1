import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { type KeysOptions, openKeys, signingKey } from "../../src/auth/keys.ts";
import { openDataFolder } from "../../src/store/data-folder.ts";
import { openTestStore } from "../support/stores.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const NOTHING = { TOKEN_SECRET: "", SECRETS_KEY_FILE: "" };
const SECRET = "0123456789abcdef0123456789abcdef";

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
    expect(first.signing.secret).toHaveLength(32);
    const secrets = [first.signing.secret, first.tokenHashKey, first.auditKey].map((key) =>
      Buffer.from(key).toString("hex"),
    );
    expect(new Set(secrets).size).toBe(3);
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
    const { signing, tokenHashKey, auditKey } = await openKeys(options);
    for (const name of ["token-signing", "token-hash", "audit"]) {
      const sealed = await options.store.keys.find(name);
      for (const secret of [signing.secret, tokenHashKey, auditKey]) {
        expect(sealed?.includes(Buffer.from(secret))).toBe(false);
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
    expect(proofs[0]).toMatch(/^[0-9a-f]{64}\n$/);
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
    writeFileSync(file, write(key));
    const options = fresh({ SECRETS_KEY_FILE: file });
    const ring = await openKeys(options);
    expect(existsSync(options.folder.secretsKey)).toBe(false);
    writeFileSync(options.folder.secretsKey, key);
    expect(await openKeys({ ...options, config: NOTHING })).toEqual(ring);
  });

  it.each(["", "short", "z".repeat(64)])("refuses a SECRETS_KEY_FILE that holds %j", async (content) => {
    const file = join(temporaryFolder(), "mounted");
    writeFileSync(file, content);
    await expect(openKeys(fresh({ SECRETS_KEY_FILE: file }))).rejects.toEqual(refused("GW_009", /not 32 bytes/));
  });

  it("signs with TOKEN_SECRET when there is one, under an id that depends on the secret alone", async () => {
    const one = await openKeys(fresh({ TOKEN_SECRET: SECRET }));
    const two = await openKeys(fresh({ TOKEN_SECRET: SECRET }));
    expect(Buffer.from(one.signing.secret).toString()).toBe(SECRET);
    expect(two.signing.id).toBe(one.signing.id);
    expect(two.tokenHashKey).not.toEqual(one.tokenHashKey);
    expect(signingKey(Buffer.from(`${SECRET}!`)).id).not.toBe(one.signing.id);
  });

  it("counts a TOKEN_SECRET in bytes and refuses fewer than 32", async () => {
    await expect(openKeys(fresh({ TOKEN_SECRET: SECRET.slice(1) }))).rejects.toEqual(refused("GW_012", /31 bytes/));
    expect((await openKeys(fresh({ TOKEN_SECRET: "ä".repeat(16) }))).signing.secret).toHaveLength(32);
  });
});
