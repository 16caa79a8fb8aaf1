import { X509Certificate } from "node:crypto";
import { type Value, wrong } from "./value.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const MOST = 100;

/** One or more certificates as PEM text: `--tls-ca "$(cat ca.pem)"`. */
export function certificates(): Value<string> {
  return {
    hint: "certificates in PEM",
    parse(text) {
      const found = text.match(CERTIFICATE) ?? [];
      if (found.length === 0) {
        throw wrong(`the text of certificates in PEM is expected, not a file's name: "$(cat ca.pem)"`);
      }
      if (found.length > MOST) throw wrong(`more than ${MOST} certificates`);
      for (const [index, pem] of found.entries()) checkCertificate(pem, index + 1);
      return found.join("\n");
    },
    format: (pem) => pem,
  };
}

function checkCertificate(pem: string, number: number): void {
  try {
    void new X509Certificate(pem);
  } catch {
    throw wrong(`certificate ${number} cannot be read`);
  }
}
