import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { GatewayError, hasCode } from "../../errors.ts";
import { KEY_BYTES } from "./seal.ts";

/**
 * The master key in a data folder's own file. `mayCreate`: make it when there is none.
 * @throws GatewayError GW_009
 */
export function openMasterKey(file: string, mayCreate: boolean): Buffer {
  if (mayCreate && !fs.existsSync(file)) createMasterKey(file);
  return readMasterKey(file);
}

/** Takes 32 raw bytes, or their hex or base64 text as tools and mounted secrets have it. @throws GatewayError GW_009 */
export function readMasterKey(file: string): Buffer {
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
