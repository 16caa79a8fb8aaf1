import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { GatewayError, hasCode } from "../../errors.ts";
import { KEY_BYTES } from "./seal.ts";

/** Where the master key is. */
export interface MasterKeyPlace {
  /** Absolute. */
  readonly file: string;
  /** It is the data folder's own file; else somebody has mounted it, and it is theirs to change. */
  readonly isOwn: boolean;
}

/** What is known of a data folder's secrets before they are opened. */
interface Sealed {
  /** There are none yet. */
  readonly isNew: boolean;
  /** Whether a key opens them. */
  readonly opens: (master: Buffer) => boolean;
}

/**
 * The master key; the data folder's own is made where there are no secrets yet. One that is being changed has two files until
 * that is done: whichever opens the secrets counts, and a change that was broken off behind its commit is finished.
 * @throws GatewayError GW_009 when it is missing, can be read by others, or is none
 */
export function openMasterKey({ file, isOwn }: MasterKeyPlace, { isNew, opens }: Sealed): Buffer {
  if (isOwn && isNew && !fs.existsSync(file)) createMasterKey(file);
  const master = readMasterKey({ file, isOwn });
  if (isNew || !isOwn || opens(master)) return master;
  for (const draft of draftsOf(file)) {
    const next = readMasterKey({ file: draft, isOwn });
    if (!opens(next)) continue;
    adoptMasterKey(draft, file);
    return next;
  }
  return master;
}

/** Writes another key beside the one that is in force, and forgets drafts of changes that never came to their commit. */
export function draftMasterKey(file: string): { readonly draft: string; readonly key: Buffer } {
  for (const left of draftsOf(file)) fs.rmSync(left, { force: true });
  const draft = `${file}${DRAFT}${randomBytes(8).toString("hex")}`;
  const key = randomBytes(KEY_BYTES);
  try {
    writePrivately(draft, key);
    syncDirectory(path.dirname(file));
  } catch (error) {
    throw new GatewayError("GW_009", { details: `${draft} cannot be made`, cause: error });
  }
  return { draft, key };
}

/** Puts a draft in the place of the key, whole. One that is there already is fine: somebody has finished the change. */
export function adoptMasterKey(draft: string, file: string): void {
  try {
    fs.renameSync(draft, file);
    syncDirectory(path.dirname(file));
  } catch (error) {
    if (!hasCode(error, "ENOENT"))
      throw new GatewayError("GW_009", { details: `${file}: ${String(error)}`, cause: error });
  }
}

const DRAFT = ".next-";

function draftsOf(file: string): string[] {
  const folder = path.dirname(file);
  const start = path.basename(file) + DRAFT;
  return fs
    .readdirSync(folder)
    .filter((name) => name.startsWith(start))
    .map((name) => path.join(folder, name));
}

/**
 * Takes 32 raw bytes, or their hex or base64 text as tools and mounted secrets have it.
 * @throws GatewayError GW_009
 */
export function readMasterKey({ file, isOwn }: MasterKeyPlace): Buffer {
  let bytes: Buffer;
  try {
    refuseExposed(file, isOwn);
    bytes = fs.readFileSync(file);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const reason = hasCode(error, "ENOENT") ? "does not exist, but keys sealed with it do" : "cannot be read";
    throw new GatewayError("GW_009", { details: `master key ${file} ${reason}`, cause: error });
  }
  if (bytes.length === KEY_BYTES) return bytes;
  const text = bytes.toString("latin1").trim();
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, "hex");
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return Buffer.from(text, "base64");
  throw new GatewayError("GW_009", { details: `master key ${file} is not ${KEY_BYTES} bytes, raw, hex or base64` });
}

/** Written whole under another name and then linked: a reader never sees half a key, and of two writers one wins. */
function createMasterKey(file: string): void {
  const draft = `${file}.${randomBytes(8).toString("hex")}`;
  try {
    writePrivately(draft, randomBytes(KEY_BYTES));
    fs.linkSync(draft, file);
    syncDirectory(path.dirname(file));
  } catch (error) {
    if (!hasCode(error, "EEXIST"))
      throw new GatewayError("GW_009", { details: `${file} cannot be made`, cause: error });
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function writePrivately(file: string, bytes: Buffer): void {
  const fd = fs.openSync(file, "wx", 0o600);
  fs.fchmodSync(fd, 0o600);
  fs.writeSync(fd, bytes);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

/** A mounted one may be its group's: that is how it reaches a service. Windows has no modes in this sense. */
function refuseExposed(file: string, isOwn: boolean): void {
  if (process.platform === "win32") return;
  const others = isOwn ? 0o077 : 0o007;
  if ((fs.statSync(file).mode & others) === 0) return;
  const details = `master key ${file} can be read by other users: chmod ${isOwn ? "600" : "o="} ${file}`;
  throw new GatewayError("GW_009", { details });
}

/** The name of a file is only as durable as its directory. */
function syncDirectory(directory: string): void {
  if (process.platform === "win32") return;
  const fd = fs.openSync(directory, "r");
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}
