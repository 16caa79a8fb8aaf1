// What OpenSSL has read before, and found in order: this looks up only what it keeps to itself.

import type { X509Certificate } from "node:crypto";

/** The certificates that authorities have taken back: serial numbers by issuer, both as hex of their DER. */
export type Revoked = ReadonlyMap<string, ReadonlySet<string>>;

const LIST = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g;
const INTEGER = 0x02;
const SEQUENCE = 0x30;
/** Bit 7 of a length: as many bytes as the others say hold it. */
const LONG = 0x80;

interface Element {
  readonly tag: number;
  readonly whole: Buffer;
  readonly content: Buffer;
}

/** The lists in a text of PEM, each by itself: OpenSSL reads the first of a text only. */
export function listsIn(pem: string): string[] {
  return pem.match(LIST) ?? [];
}

/** What the lists in a text of PEM say (RFC 5280 section 5.1). @throws RangeError when one is cut short. */
export function revokedIn(pem: string): Revoked {
  const revoked = new Map<string, Set<string>>();
  for (const [, base64 = ""] of pem.matchAll(LIST)) {
    const [list] = within(first(Buffer.from(base64, "base64")));
    const fields = afterVersion(list, INTEGER); // algorithm, issuer, this update, perhaps the next, perhaps entries
    const issuer = hex(fields[1]?.whole);
    const serials = revoked.get(issuer) ?? new Set();
    revoked.set(issuer, serials);
    const entries = fields.slice(2).find(({ tag }) => tag === SEQUENCE);
    for (const entry of within(entries)) serials.add(serialOf(within(entry)[0]));
  }
  return revoked;
}

export function isRevoked(certificate: X509Certificate, revoked: Revoked): boolean {
  if (revoked.size === 0) return false;
  const [content] = within(first(certificate.raw));
  const fields = afterVersion(content, 0xa0); // serial number, algorithm, issuer
  return revoked.get(hex(fields[2]?.whole))?.has(serialOf(fields[0])) === true;
}

/** Some write the zero before a first bit that is set, some forget it. */
function serialOf(element: Element | undefined): string {
  return hex(element?.content).replace(/^(?:00)+/, "");
}

/** The parts of a sequence without its version, which has this tag and may be missing. */
function afterVersion(sequence: Element | undefined, tag: number): Element[] {
  const parts = within(sequence);
  return parts[0]?.tag === tag ? parts.slice(1) : parts;
}

function within(element: Element | undefined): Element[] {
  const parts: Element[] = [];
  let rest = element?.content ?? Buffer.alloc(0);
  while (rest.length > 0) {
    const part = first(rest);
    parts.push(part);
    rest = rest.subarray(part.whole.length);
  }
  return parts;
}

/** The first element of a DER text (X.690 section 8.1). @throws RangeError when it is cut short. */
function first(bytes: Buffer): Element {
  const size = bytes.readUInt8(1);
  const more = size < LONG ? 0 : size - LONG;
  const length = more === 0 ? size : bytes.readUIntBE(2, more);
  const end = 2 + more + length;
  if (end > bytes.length) throw new RangeError("cut short");
  return { tag: bytes.readUInt8(0), whole: bytes.subarray(0, end), content: bytes.subarray(2 + more, end) };
}

function hex(bytes: Buffer | undefined): string {
  return bytes?.toString("hex") ?? "";
}
