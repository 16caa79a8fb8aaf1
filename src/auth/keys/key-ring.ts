import { createHmac, randomBytes } from "node:crypto";
import type { Config } from "../../config/schema.ts";
import { newId } from "../../domain/id.ts";
import { weaknessOf } from "../../domain/value/weak-secret.ts";
import { GatewayError } from "../../errors.ts";
import type { DataFolder } from "../../store/data-folder.ts";
import type { FirstSigningKey, KeyTable, SigningKeyReads } from "../../store/store.ts";
import { type MasterKeyPlace, openMasterKey } from "./master-key.ts";
import { isSealedWith, KEY_BYTES, seal, unseal } from "./seal.ts";
import { openSigner, sealSigningKey, secretSigner, sharedSecretId, type Signer } from "./signing.ts";

/** The secrets of one data folder, opened. */
export interface KeyRing extends ThreadKeys {
  /** Proves the head of the audit chain. */
  readonly auditKey: Buffer;
  /** What all of them are sealed with. */
  readonly masterKey: MasterKeyPlace;
}

/** Those that a data thread needs. */
export interface ThreadKeys {
  /** Tokens are kept as HMACs under this key. */
  readonly tokenHashKey: Uint8Array;
  /** Signing keys are sealed under this one. */
  readonly sealingKey: Uint8Array;
  /** What sticky sessions are derived from. */
  readonly stickyKey: Uint8Array;
  /** TOKEN_SECRET, which stands in the place of the data folder's own signing keys; null = not set. */
  readonly tokenSecret: Uint8Array | null;
}

/** Without what only the control thread needs. */
export function threadKeys({ tokenHashKey, sealingKey, stickyKey, tokenSecret }: KeyRing): ThreadKeys {
  return { tokenHashKey, sealingKey, stickyKey, tokenSecret };
}

export interface KeysOptions {
  readonly folder: Pick<DataFolder, "secretsKey">;
  readonly store: { readonly keys: KeyTable; readonly signingKeys: SigningKeyReads & FirstSigningKey };
  readonly config: Pick<Config, "TOKEN_SECRET" | "SECRETS_KEY_FILE">;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

const NAMES = { tokenHash: "token-hash", audit: "audit", sealing: "signing-keys" } as const;
/** The one signing key of folders that were made before there were several; see FirstSigningKey. */
const ONLY_SIGNING_KEY = "token-signing";

/**
 * Opens the data folder's keys, making on first start what is missing. Processes that start at once agree.
 * @throws GatewayError GW_009 when the master key is missing, unreadable or not the one the keys were sealed with
 *   (existing keys are never replaced); GW_012 when TOKEN_SECRET is too short or can be guessed.
 */
export async function openKeys({ folder, store, config, now = Date.now }: KeysOptions): Promise<KeyRing> {
  const table = store.keys;
  // Asked before the file is looked at: whoever stored a key had made the file first.
  const names = [...Object.values(NAMES), ONLY_SIGNING_KEY];
  const stored = await Promise.all(names.map(async (name) => ({ name, sealed: await table.find(name) })));
  const masterKey = {
    file: config.SECRETS_KEY_FILE === "" ? folder.secretsKey : config.SECRETS_KEY_FILE,
    isOwn: config.SECRETS_KEY_FILE === "",
  };
  const master = openMasterKey(masterKey, {
    isNew: stored.every(({ sealed }) => sealed === undefined),
    opens: (key) => stored.every(({ name, sealed }) => sealed === undefined || isSealedWith(key, name, sealed)),
  });
  const open = async (name: string): Promise<Buffer> => {
    const known = await table.find(name);
    if (known !== undefined) return unsealKey(master, name, known);
    await table.createIfAbsent(name, seal(master, name, randomBytes(KEY_BYTES)), now());
    const winner = await table.find(name);
    if (winner === undefined) throw new GatewayError("GW_009", { details: `key ${name} was not stored` });
    return unsealKey(master, name, winner);
  };
  const tokenHashKey = await open(NAMES.tokenHash);
  const auditKey = await open(NAMES.audit);
  const sealingKey = await open(NAMES.sealing);
  if ((await store.signingKeys.list()).length === 0) {
    const only = await table.find(ONLY_SIGNING_KEY);
    const secret = only === undefined ? randomBytes(KEY_BYTES) : unsealKey(master, ONLY_SIGNING_KEY, only);
    const id = only === undefined ? newId("kid") : sharedSecretId(secret);
    await store.signingKeys.createFirst(sealSigningKey(sealingKey, { id, algorithm: "HS256", secret, now: now() }));
  }
  return {
    tokenHashKey,
    auditKey,
    masterKey,
    sealingKey,
    stickyKey: createHmac("sha256", tokenHashKey).update("sticky sessions").digest(),
    tokenSecret: config.TOKEN_SECRET ? sharedSecret(config.TOKEN_SECRET) : null,
  };
}

/** What signs tokens at this moment. @throws GatewayError GW_009 when nothing does. */
export async function activeSigner(
  { tokenSecret, sealingKey }: ThreadKeys,
  signingKeys: Pick<SigningKeyReads, "list">,
): Promise<Signer> {
  if (tokenSecret !== null) return secretSigner(tokenSecret);
  const active = (await signingKeys.list()).find(({ retiresAt }) => retiresAt === null);
  if (active === undefined) throw new GatewayError("GW_009", { details: "no key signs: make one with key rotate" });
  return await openSigner(sealingKey, active);
}

function sharedSecret(text: string): Buffer {
  const secret = Buffer.from(text, "utf8");
  // RFC 7518, 3.2: a key of at least the size of the hash.
  const weakness =
    secret.length < KEY_BYTES ? `has ${secret.length} bytes, at least ${KEY_BYTES} are needed` : weaknessOf(text);
  if (weakness === undefined) return secret;
  throw new GatewayError("GW_012", { details: `TOKEN_SECRET ${weakness}` });
}

function unsealKey(master: Buffer, name: string, sealed: Buffer): Buffer {
  const key = unseal(master, name, sealed);
  if (key.length === KEY_BYTES) return key;
  throw new GatewayError("GW_009", { details: `key ${name} is stored in an unknown form` });
}
