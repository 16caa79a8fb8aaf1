import { X509Certificate } from "node:crypto";
import { matchesPattern, type Principal } from "../../domain/principal.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { RoleMap } from "../../domain/value/providers.ts";
import { GatewayError } from "../../errors.ts";
import type { CredentialFields, CredentialKind } from "./credential.ts";

/** A record and a command line show it. */
const ID_DIGITS = 40;
const MOST_NAMES = 64;

/**
 * A client's certificate, which the listener has found good: a name in it says who calls. Browsers show it by themselves.
 * The text that is shown is its DER in base64.
 */
export class ClientCertificateCredential implements CredentialKind {
  readonly name = "certificate";
  readonly ambient = true;
  readonly keepsUse = false;
  readonly once = false;
  readonly #roles: RoleMap;

  /** Patterns of names, each with the kind of name before it (`DNS:*.corp`), and roles: the first that fits counts. */
  constructor(roles: RoleMap) {
    this.#roles = roles;
  }

  shown({ certificate }: CredentialFields): string | undefined {
    return certificate;
  }

  async verify(text: string, { roles }: Snapshot): Promise<Principal> {
    const certificate = new X509Certificate(Buffer.from(text, "base64"));
    const names = namesIn(certificate);
    for (const [pattern, role] of this.#roles) {
      const name = names.find((each) => matchesPattern(pattern, each));
      if (name !== undefined && roles.get(role) !== undefined) {
        return {
          subject: name.slice(name.indexOf(":") + 1),
          role,
          credential: this.name,
          tokenId: idOf(certificate),
          grantedBy: null,
          keyId: null,
          issuedAt: certificate.validFromDate.getTime(),
          sandboxes: null,
          operations: null,
          scope: null,
          expiresAt: certificate.validToDate.getTime(),
        };
      }
    }
    throw new GatewayError("AUTH_013", { details: "No name in the client's certificate stands for anybody here" });
  }

  /** It is no text that a request carries. */
  isOurs(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

/**
 * Its names as `URI:…`, `email:…`, `DNS:…`. Node quotes those with characters that could make one name look like two: a
 * certificate with such a one speaks for nobody.
 */
function namesIn({ subjectAltName }: X509Certificate): string[] {
  if (subjectAltName === undefined || subjectAltName.includes('"')) return [];
  return subjectAltName.split(", ").slice(0, MOST_NAMES);
}

function idOf({ fingerprint256 }: X509Certificate): string {
  return `crt_${fingerprint256.replaceAll(":", "").toLowerCase().slice(0, ID_DIGITS)}`;
}
