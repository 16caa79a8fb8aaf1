import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { Config } from "../config/schema.ts";
import { GatewayError, hasCode } from "../errors.ts";
import type { DataFolder } from "../store/data-folder.ts";
import type { KeyTable } from "../store/store.ts";

/** A key tokens are signed with. The algorithm belongs to the key: a token cannot choose another one. */
export interface SigningKey {
  /** The `kid` of the tokens it signs. Says nothing about the secret. */
  readonly id: string;
  readonly algorithm: "HS256";
  readonly secret: Uint8Array;
}

/** The secrets of one data folder, opened. */
export interface KeyRing {
  readonly signing: SigningKey;
  /** Tokens are kept as HMACs under this key. */
  readonly tokenHashKey: Buffer;
  /** Proves the head of the audit chain. */
  readonly auditKey: Buffer;
}

export interface KeysOptions {
  readonly folder: Pick<DataFolder, "secretsKey">;
  readonly store: { readonly keys: KeyTable };
  /** TOKEN_SECRET, when set, signs tokens instead of the data folder's own key. */
  readonly config: Pick<Config, "TOKEN_SECRET" | "SECRETS_KEY_FILE">;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

const KEY_BYTES = 32;
const NAMES = { signing: "token-signing", tokenHash: "token-hash", audit: "audit" } as const;

/**
 * Opens the data folder's keys, making on first start what is missing. Processes that start at once agree.
 * @throws GatewayError GW_009 when the master key is missing, unreadable or not the one the keys were sealed with
 *   (existing keys are never replaced); GW_012 when TOKEN_SECRET is too short.
 */
export async function openKeys({ folder, store, config, now = Date.now }: KeysOptions): Promise<KeyRing> {
  const table = store.keys;
  // Asked before the file is looked at: whoever stored a key had made the file first.
  const stored = await Promise.all(Object.values(NAMES).map((name) => table.find(name)));
  const mayCreate = stored.every((sealed) => sealed === undefined);
  const master = config.SECRETS_KEY_FILE
    ? readMasterKey(config.SECRETS_KEY_FILE)
    : openMasterKey(folder.secretsKey, mayCreate);
  const open = async (name: string): Promise<Buffer> => {
    const known = await table.find(name);
    if (known !== undefined) return unseal(master, name, known);
    await table.createIfAbsent(name, seal(master, name, randomBytes(KEY_BYTES)), now());
    const winner = await table.find(name);
    if (winner === undefined) throw new GatewayError("GW_009", { details: `key ${name} was not stored` });
    return unseal(master, name, winner);
  };
  const tokenHashKey = await open(NAMES.tokenHash);
  const auditKey = await open(NAMES.audit);
  const secret = config.TOKEN_SECRET ? sharedSecret(config.TOKEN_SECRET) : await open(NAMES.signing);
  return { signing: signingKey(secret), tokenHashKey, auditKey };
}

/** The key for HS256 under this secret. Its id depends on the secret alone, so gateways that share one agree on it. */
export function signingKey(secret: Uint8Array): SigningKey {
  const id = createHmac("sha256", secret).update("sandboxgw key id").digest("base64url").slice(0, 16);
  return { id, algorithm: "HS256", secret };
}

function sharedSecret(text: string): Buffer {
  const secret = Buffer.from(text, "utf8");
  if (secret.length >= KEY_BYTES) return secret;
  // RFC 7518, 3.2: a key of at least the size of the hash.
  throw new GatewayError("GW_012", {
    details: `TOKEN_SECRET has ${secret.length} bytes, at least ${KEY_BYTES} are needed`,
  });
}

function openMasterKey(file: string, mayCreate: boolean): Buffer {
  if (mayCreate && !fs.existsSync(file)) createMasterKey(file);
  return readMasterKey(file);
}

/** Written whole under another name and then linked: a reader never sees half a key, and of two writers one wins. */
function createMasterKey(file: string): void {
  const draft = `${file}.${randomBytes(8).toString("hex")}`;
  try {
    const fd = fs.openSync(draft, "wx", 0o600);
    fs.fchmodSync(fd, 0o600);
    fs.writeSync(fd, randomBytes(KEY_BYTES));
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    fs.linkSync(draft, file);
    syncDirectory(path.dirname(file));
  } catch (error) {
    if (!hasCode(error, "EEXIST"))
      throw new GatewayError("GW_009", { details: `${file} cannot be made`, cause: error });
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

/** The name of a file is only as durable as its directory. */
function syncDirectory(directory: string): void {
  if (process.platform === "win32") return;
  const fd = fs.openSync(directory, "r");
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

/** Takes 32 raw bytes, or their hex or base64 text as tools and mounted secrets have it. */
function readMasterKey(file: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch (error) {
    const reason = hasCode(error, "ENOENT") ? "does not exist, but keys sealed with it do" : "cannot be read";
    throw new GatewayError("GW_009", { details: `master key ${file} ${reason}`, cause: error });
  }
  if (bytes.length === KEY_BYTES) return bytes;
  const text = bytes.toString("latin1").trim();
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, "hex");
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return Buffer.from(text, "base64");
  throw new GatewayError("GW_009", { details: `master key ${file} is not ${KEY_BYTES} bytes, raw, hex or base64` });
}

// A sealed key: format (1 byte), nonce (12), tag (16), ciphertext. The name is authenticated too, so that sealed keys
// cannot change places.
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

function seal(master: Buffer, name: string, secret: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", master, nonce).setAAD(Buffer.from(name));
  const text = Buffer.concat([cipher.update(secret), cipher.final()]);
  return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), text]);
}

function unseal(master: Buffer, name: string, sealed: Buffer): Buffer {
  if (sealed[0] !== FORMAT || sealed.length !== HEADER_BYTES + KEY_BYTES) {
    throw new GatewayError("GW_009", { details: `key ${name} is stored in an unknown form` });
  }
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const tag = sealed.subarray(1 + NONCE_BYTES, HEADER_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", master, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(name)).setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()]);
  } catch (error) {
    const details = `the master key does not open key ${name}: it belongs to another data folder`;
    throw new GatewayError("GW_009", { details, cause: error });
  }
}
