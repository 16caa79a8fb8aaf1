import { hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, type TlsOptions } from "node:tls";
import type { Config } from "../../config/schema.ts";
import { GatewayError } from "../../errors.ts";

/** Mozilla's "intermediate" for TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else. */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

const TICKET_KEY_BYTES = 48;

/**
 * How clients are spoken to behind TLS, the files read now; null = they are spoken to plainly.
 * `salt`: of this process; from it come the keys with which a session is gone on with on another thread.
 * @throws GatewayError GW_012 when a file cannot be read, is not what it should be, or certificate and key are not a pair.
 */
export function readFrontTls(config: Config, salt: string): TlsOptions | null {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  if ((certFile === "") !== (keyFile === "")) {
    throw new GatewayError("GW_012", { details: "TLS_CERT_FILE and TLS_KEY_FILE are needed both" });
  }
  if (certFile === "") return null;
  const pair = { cert: contentOf("TLS_CERT_FILE", certFile), key: contentOf("TLS_KEY_FILE", keyFile) };
  try {
    createSecureContext(pair);
  } catch (cause) {
    const details = `TLS_CERT_FILE and TLS_KEY_FILE: ${(cause as Error).message}`;
    throw new GatewayError("GW_012", { details, cause });
  }
  return {
    ...pair,
    minVersion: config.TLS_MIN_VERSION === "1.3" ? "TLSv1.3" : "TLSv1.2",
    ciphers: CIPHERS,
    honorCipherOrder: true,
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: config.HEADERS_TIMEOUT,
    ticketKeys: Buffer.from(hkdfSync("sha256", salt, "", "sandboxgw session tickets", TICKET_KEY_BYTES)),
  };
}

function contentOf(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new GatewayError("GW_012", { details: `${name}: ${(cause as Error).message}`, cause });
  }
}
