import { randomBytes } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openKeys } from "../../../src/auth/keys/key-ring.ts";
import { createVerbs } from "../../../src/control/verbs.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { openDataFolder } from "../../../src/store/data-folder.ts";
import { openTestStore } from "../../support/stores.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { ADA, recordsIn, refusal, TOKEN } from "../../support/verbs.ts";

async function gatewayFolder(mounted = "") {
  const folder = openDataFolder(join(temporaryFolder(), "data"));
  const store = openTestStore(folder.database);
  const { config } = loadConfig({ env: { DATA_DIR: folder.root, SECRETS_KEY_FILE: mounted }, cwd: "/" });
  const open = (SECRETS_KEY_FILE = mounted) => openKeys({ folder, store, config: { ...config, SECRETS_KEY_FILE } });
  const verbs = createVerbs({
    store,
    audit: store.audit,
    auditHead: { file: folder.auditHead, log: folder.databaseLog },
    keys: () => open(),
    config,
    catalogue: () => Promise.reject(new Error("nothing is added")),
    daemon: () => undefined,
  });
  return { folder, store, verbs, open, ring: await open() };
}

const keyFiles = (root: string): string[] => readdirSync(root).filter((name) => name.startsWith("secrets.key"));

function mountedKey(): string {
  const file = join(temporaryFolder(), "mounted.key");
  writeFileSync(file, randomBytes(32), { mode: 0o600 });
  return file;
}

test("after a change of the master key all secrets are the same, sealed with another, and nothing opens with the old one", async () => {
  const { folder, store, verbs, open, ring } = await gatewayFolder();
  const old = readFileSync(folder.secretsKey);
  const names = ["audit", "signing-keys", "token-hash"];
  const before = await Promise.all(names.map((name) => store.keys.find(name)));
  expect(await verbs.keys.rekey(ADA, { newKeyFile: null })).toEqual({
    file: folder.secretsKey,
    secrets: 3,
    revision: 0,
  });
  expect(readFileSync(folder.secretsKey)).not.toEqual(old);
  expect(keyFiles(folder.root)).toEqual(["secrets.key"]);
  expect(await open()).toEqual(ring);
  await verbs.tokens.create(ADA, TOKEN);
  const files = Buffer.concat([readFileSync(folder.database), readFileSync(folder.databaseLog)]);
  for (const sealed of before) expect(files.includes(sealed as Buffer)).toBe(false);
  writeFileSync(folder.secretsKey, old);
  await expect(open()).rejects.toEqual(refusal("GW_009"));
  expect(recordsIn(store)).toMatchObject([{ action: "key.rekey", secrets: 3 }, { action: "token.create" }]);
});

test("a change that was broken off before its commit has not been, and one behind it is finished", async () => {
  const { folder, verbs, open, ring } = await gatewayFolder();
  const draft = `${folder.secretsKey}.next-0123`;
  const old = join(folder.root, "old");
  copyFileSync(folder.secretsKey, old);
  writeFileSync(draft, randomBytes(32), { mode: 0o600 });
  expect(await open()).toEqual(ring);
  await verbs.keys.rekey(ADA, { newKeyFile: null });
  expect(keyFiles(folder.root)).toEqual(["secrets.key"]);
  // As it is between the commit and the new file's taking the old one's place.
  renameSync(folder.secretsKey, draft);
  renameSync(old, folder.secretsKey);
  expect(await open()).toEqual(ring);
  expect(keyFiles(folder.root)).toEqual(["secrets.key"]);
  expect(await open()).toEqual(ring);
});

test("a mounted master key is changed for another that is given", async () => {
  const [one, two] = [mountedKey(), mountedKey()];
  const { folder, verbs, open, ring } = await gatewayFolder(one);
  await expect(verbs.keys.rekey(ADA, { newKeyFile: null })).rejects.toEqual(refusal("VAL_010"));
  await expect(verbs.keys.rekey(ADA, { newKeyFile: one })).rejects.toEqual(refusal("VAL_010"));
  await expect(verbs.keys.rekey(ADA, { newKeyFile: `${two}.not` })).rejects.toEqual(refusal("GW_009"));
  expect(await open()).toEqual(ring);
  await verbs.keys.rekey(ADA, { newKeyFile: two });
  expect({ ...(await open(two)), masterKey: null }).toEqual({ ...ring, masterKey: null });
  await expect(open(one)).rejects.toEqual(refusal("GW_009"));
  expect(keyFiles(folder.root)).toEqual([]);
});

test("two changes at once leave one of the two, whole", async () => {
  const { folder, verbs, open, ring } = await gatewayFolder();
  const both = [1, 2].map(() => verbs.keys.rekey(ADA, { newKeyFile: null }));
  const outcomes = await Promise.allSettled(both);
  expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
  expect(await open()).toEqual(ring);
  expect(keyFiles(folder.root)).toEqual(["secrets.key"]);
});

const key = (env: Record<string, string>) => loadConfig({ env, cwd: "/" }).config.SECRETS_KEY_FILE;

test("systemd's credential is the master key where there is one", () => {
  const folder = temporaryFolder();
  expect(key({ CREDENTIALS_DIRECTORY: folder })).toBe("");
  writeFileSync(join(folder, "secrets.key"), randomBytes(32));
  expect(key({ CREDENTIALS_DIRECTORY: folder })).toBe(join(folder, "secrets.key"));
  expect(key({ CREDENTIALS_DIRECTORY: folder, SECRETS_KEY_FILE: "/other" })).toBe("/other");
});
