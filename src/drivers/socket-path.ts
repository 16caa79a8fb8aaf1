import path from "node:path";
import { GatewayError } from "../errors.ts";

// sun_path holds 108 bytes on Linux, the last of them a zero; a longer path would be cut silently.
const LONGEST = 107;
const NAME = /^unix:([A-Za-z0-9_-]+\.sock)$/;

/**
 * Where an instance that the daemon starts itself listens.
 * @param runDirectory The data folder's `run`, absolute.
 * @param url The instance's `unix:<name>.sock`.
 * @throws GatewayError GW_013 when the data folder's path is too long for a socket, GW_001 when the URL is of another kind.
 */
export function socketPath(runDirectory: string, url: string): string {
  const name = NAME.exec(url)?.[1];
  if (name === undefined) throw new GatewayError("GW_001", { details: `not a socket address: ${JSON.stringify(url)}` });
  const file = path.join(runDirectory, name);
  const excess = Buffer.byteLength(file) - LONGEST;
  if (excess > 0) {
    throw new GatewayError("GW_013", {
      details: `the data folder's path is too long by ${excess} bytes for a socket in it: ${file}`,
    });
  }
  return file;
}
