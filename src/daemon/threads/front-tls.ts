import { hash, hkdfSync, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, type TlsOptions } from "node:tls";
import { ClientTrust } from "../../auth/certificates/client-trust.ts";
import { listsIn, revokedIn } from "../../auth/certificates/revoked.ts";
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
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** How clients are spoken to behind TLS, and which certificates they may show; null = they are asked for none. */
export interface FrontTls {
  readonly options: TlsOptions;
  readonly clients: ClientTrust | null;
}

/**
 * How clients are spoken to behind TLS, the files read now; null = they are spoken to plainly.
 * `salt`: of this process; from it come the keys with which a session is gone on with on another thread.
 * @throws GatewayError GW_012 when a file cannot be read, is not what it should be, or certificate and key are not a pair.
 */
export function readFrontTls(config: Config, salt: string): FrontTls | null {
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
  const clients = readClients(config);
  // Who was let in under other authorities and lists does not go on without being asked again.
  const sessions = `sandboxgw session tickets ${clients === null ? "" : hash("sha256", clients.basis)}`;
  const options: TlsOptions = {
    ...pair,
    ...clients?.options,
    minVersion: config.TLS_MIN_VERSION === "1.3" ? "TLSv1.3" : "TLSv1.2",
    ciphers: CIPHERS,
    honorCipherOrder: true,
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: config.HEADERS_TIMEOUT,
    ticketKeys: Buffer.from(hkdfSync("sha256", salt, "", sessions, TICKET_KEY_BYTES)),
  };
  return { options, clients: clients?.trust ?? null };
}

/** The files of which a change is noticed. */
export function frontFiles(config: Config): string[] {
  const { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE, TLS_CLIENT_CRL_FILE } = config;
  return [TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE, TLS_CLIENT_CRL_FILE].filter((file) => file !== "");
}

/** `basis`: all that it is made from. */
function readClients(config: Config): { options: TlsOptions; trust: ClientTrust; basis: string } | null {
  const { TLS_CLIENT_AUTH, TLS_CLIENT_CA_FILE, TLS_CLIENT_CRL_FILE } = config;
  if (TLS_CLIENT_AUTH === "off") return null;
  const ca = contentOf("TLS_CLIENT_CA_FILE", TLS_CLIENT_CA_FILE).toString("latin1").match(CERTIFICATE) ?? [];
  if (ca.length === 0) throw new GatewayError("GW_012", { details: "TLS_CLIENT_CA_FILE: has no certificate" });
  const lists =
    TLS_CLIENT_CRL_FILE === "" ? "" : contentOf("TLS_CLIENT_CRL_FILE", TLS_CLIENT_CRL_FILE).toString("latin1");
  const crl = listsIn(lists);
  if (TLS_CLIENT_CRL_FILE !== "" && crl.length === 0) {
    throw new GatewayError("GW_012", { details: "TLS_CLIENT_CRL_FILE: has no list" });
  }
  try {
    // Told apart here, because a certificate that is shown may be refused and one that is missing need not be.
    const options = { ca, ...(crl.length > 0 && { crl }), requestCert: true, rejectUnauthorized: false };
    createSecureContext(options);
    const trust = new ClientTrust({
      required: TLS_CLIENT_AUTH === "required",
      authorities: ca.map((pem) => new X509Certificate(pem)),
      revoked: revokedIn(lists),
      now: Date.now,
    });
    return { options, trust, basis: [...ca, ...crl].join() };
  } catch (cause) {
    const details = `TLS_CLIENT_CA_FILE and TLS_CLIENT_CRL_FILE: ${(cause as Error).message}`;
    throw new GatewayError("GW_012", { details, cause });
  }
}

function contentOf(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new GatewayError("GW_012", { details: `${name}: ${(cause as Error).message}`, cause });
  }
}
