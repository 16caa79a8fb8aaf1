import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import type { Issued } from "./certificates.ts";

x509.cryptoProvider.set(webcrypto);

const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const WEAK = {
  name: "RSASSA-PKCS1-v1_5",
  modulusLength: 1024,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: "SHA-256",
};
const DAY_MS = 86_400_000;

/** What one certificate is like; what is not said is good. */
export interface Wanted {
  readonly names?: readonly { readonly type: "url" | "email" | "dns"; readonly value: string }[];
  readonly isAuthority?: boolean;
  readonly usage?: "clientAuth" | "serverAuth";
  readonly weak?: boolean;
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  readonly tampered?: boolean;
}

/** Whoever signs certificates of clients. `issue(null)`: signed by itself. */
export class ClientAuthority {
  readonly certificate: string;
  readonly #name: string;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #chain: string;

  private constructor(name: string, keys: webcrypto.CryptoKeyPair, certificate: string, chain: string) {
    this.#name = name;
    this.#keys = keys;
    this.certificate = certificate;
    this.#chain = chain;
  }

  static async create(name = "CN=Clients"): Promise<ClientAuthority> {
    const keys = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
    const made = await certificateOf({ isAuthority: true }, { name, keys, issuer: name, signer: keys.privateKey });
    return new ClientAuthority(name, keys, made, "");
  }

  /** One that this one has signed, whether or not it may sign others itself. */
  async under(wanted: Wanted, name = "CN=Under"): Promise<ClientAuthority> {
    const keys = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
    const made = await certificateOf(wanted, { name, keys, issuer: this.#name, signer: this.#keys.privateKey });
    return new ClientAuthority(name, keys, made, made + this.#chain);
  }

  async issue(wanted: Wanted): Promise<Issued> {
    const algorithm = wanted.weak === true ? WEAK : EC;
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const made = await certificateOf(wanted, {
      name: "CN=client",
      keys,
      issuer: this.#name,
      signer: this.#keys.privateKey,
    });
    const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
    return {
      certificate: made + this.#chain,
      key: pem("PRIVATE KEY", key),
    };
  }

  /** A list of what it has taken back. */
  async list(...revoked: readonly Issued[]): Promise<string> {
    const made = await x509.X509CrlGenerator.create({
      issuer: this.#name,
      thisUpdate: new Date(Date.now() - DAY_MS),
      nextUpdate: new Date(Date.now() + DAY_MS),
      entries: revoked.map(({ certificate }) => ({
        serialNumber: new x509.X509Certificate(certificate).serialNumber,
        revocationDate: new Date(Date.now() - 1000),
      })),
      signingAlgorithm: EC,
      signingKey: this.#keys.privateKey,
    });
    return pem("X509 CRL", Buffer.from(made.rawData));
  }
}

async function certificateOf(
  wanted: Wanted,
  by: { name: string; keys: webcrypto.CryptoKeyPair; issuer: string; signer: webcrypto.CryptoKey },
): Promise<string> {
  const { names = [], isAuthority = false, usage = "clientAuth", from = -1, to = 1, tampered = false } = wanted;
  const made = await x509.X509CertificateGenerator.create({
    subject: by.name,
    issuer: by.issuer,
    publicKey: by.keys.publicKey,
    signingKey: by.signer,
    signingAlgorithm: EC,
    notBefore: new Date(Date.now() + from * DAY_MS),
    notAfter: new Date(Date.now() + to * DAY_MS),
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority, undefined, true),
      ...(isAuthority ? [] : [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[usage]])]),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension([...names])] : []),
    ],
  });
  const der = Buffer.from(made.rawData);
  if (tampered) der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
  return pem("CERTIFICATE", der);
}

function pem(label: string, der: Buffer): string {
  const lines = der
    .toString("base64")
    .match(/.{1,64}/g)
    ?.join("\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
