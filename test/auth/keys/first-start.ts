// Waits for a byte on stdin, then does what every process does at start, and prints a proof of the keys it got.
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { activeSigner, openKeys } from "../../../src/auth/keys/key-ring.ts";
import { openDataFolder } from "../../../src/store/data-folder.ts";
import { openSqliteStore } from "../../../src/store/sqlite/open.ts";

process.stdout.write("ready\n");
readSync(0, Buffer.alloc(1));
const folder = openDataFolder(process.argv[2] ?? "");
const store = openSqliteStore(folder.database);
const keys = await openKeys({
  folder,
  store,
  config: { TOKEN_SECRET: "", SECRETS_KEY_FILE: "" },
});
const { key } = await activeSigner(keys, store.signingKeys);
const kept = (await store.signingKeys.list()).length;
await store.close();
const proof = createHash("sha256")
  .update(key as Uint8Array)
  .update(keys.tokenHashKey)
  .update(keys.auditKey);
process.stdout.write(`${proof.digest("hex")} ${kept}\n`);
