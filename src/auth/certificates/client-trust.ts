import type { X509Certificate } from "node:crypto";
import { isRevoked, type Revoked } from "./revoked.ts";

/** Of RSA; less is broken in foreseeable time (NIST SP 800-131A). */
const RSA_BITS = 2048;
const CURVES = ["prime256v1", "secp384r1", "secp521r1"];
/** Certificates between one and its authority that are looked through. */
const MOST_STEPS = 8;

/**
 * Which certificates of clients are good. OpenSSL asks the same at the handshake and more (signatures, extensions); this is
 * asked after it, and again of who is connected when authorities or lists have changed.
 */
export class ClientTrust {
  /** Who shows no certificate is not let in. */
  readonly required: boolean;
  readonly #authorities: readonly X509Certificate[];
  readonly #revoked: Revoked;
  readonly #now: () => number;

  constructor(options: {
    required: boolean;
    authorities: readonly X509Certificate[];
    revoked: Revoked;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    this.required = options.required;
    this.#authorities = options.authorities;
    this.#revoked = options.revoked;
    this.#now = options.now;
  }

  /** Whether one that OpenSSL has found good may be used: now, and with such a key. */
  accepts(certificate: X509Certificate): boolean {
    const now = this.#now();
    if (now < certificate.validFromDate.getTime() || now >= certificate.validToDate.getTime()) return false;
    return hasStrongKey(certificate) && !isRevoked(certificate, this.#revoked);
  }

  /**
   * Whether one that was good under other authorities and lists is good under these. One whose way to its authority is not
   * known any more is not: its client connects anew.
   */
  keeps(certificate: X509Certificate): boolean {
    if (!this.accepts(certificate)) return false;
    let at: X509Certificate | undefined = certificate;
    for (let steps = 0; at !== undefined && steps < MOST_STEPS; steps++) {
      const one: X509Certificate = at;
      if (isRevoked(one, this.#revoked)) return false;
      if (this.#authorities.some((authority) => one.checkIssued(authority) && one.verify(authority.publicKey)))
        return true;
      at = one.issuerCertificate;
    }
    return false;
  }
}

function hasStrongKey({ publicKey }: X509Certificate): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: { modulusLength = 0, namedCurve = "" } = {} } = publicKey;
  if (type === "rsa" || type === "rsa-pss") return modulusLength >= RSA_BITS;
  if (type === "ec") return CURVES.includes(namedCurve);
  return type === "ed25519" || type === "ed448";
}
