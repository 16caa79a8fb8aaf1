import { webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";

/** A certificate with its private key, both PEM. */
export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** It begins a little earlier, for clients whose clock is behind. */
const EARLIER_MS = 60_000;

/**
 * Makes a certificate for these names and addresses that nobody has signed but itself: for development. Whoever trusts it
 * trusts nothing else with it, because it cannot sign others. The library is loaded only here.
 */
export async function selfSigned(hosts: readonly string[], lifetimeMs: number): Promise<Pair> {
  const x509 = await import("@peculiar/x509");
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const now = Date.now();
  const made = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: [{ CN: ["sandboxgw development"] }],
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(now - EARLIER_MS),
      notAfter: new Date(now + lifetimeMs),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          hosts.map((host) => ({ type: isIP(host) === 0 ? "dns" : "ip", value: host })),
        ),
      ],
    },
    webcrypto,
  );
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const lines = key.match(/.{1,64}/g)?.join("\n");
  return {
    certificate: new X509Certificate(Buffer.from(made.rawData)).toString(),
    key: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
  };
}
