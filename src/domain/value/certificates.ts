import { X509Certificate } from "node:crypto";
import { type RoleMap, roleMap } from "./providers.ts";
import { shown, type Value, wrong } from "./value.ts";

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

/** `URI:spiffe://corp/agent/*=executor, DNS:ci.corp=operator`: names in certificates, and the roles that they stand for. */
export function clientRoles(): Value<RoleMap> {
  const map = roleMap();
  return {
    hint: "list of DNS:…=role, URI:…=role, email:…=role",
    parse(text) {
      const roles = map.parse(text);
      for (const [pattern] of roles) {
        if (!/^(?:URI|email|DNS):./.test(pattern))
          throw wrong(`${shown(pattern)} begins with none of URI:, email:, DNS:`);
      }
      return roles;
    },
    format: (roles) => map.format(roles),
  };
}

function checkCertificate(pem: string, number: number): void {
  try {
    void new X509Certificate(pem);
  } catch {
    throw wrong(`certificate ${number} cannot be read`);
  }
}
