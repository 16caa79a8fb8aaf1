import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

/** A certificate with its key, PEM. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority of a test's own. */
export interface Authority extends Issued {
  /** A certificate for these names and addresses, good for a day unless it says otherwise. */
  issue(names: readonly string[], options?: { readonly expired?: boolean }): Issued;
}

const DAY_MS = 86_400_000;

/** Makes an authority. Node can read certificates but not make them, so they are put together here (X.509 v3 in DER). */
export function createAuthority(name = "Test Authority"): Authority {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const own = certificateOf({
    subject: name,
    issuer: name,
    keys,
    signer: keys.privateKey,
    isAuthority: true,
    names: [],
  });
  return {
    ...own,
    issue(names, { expired = false } = {}) {
      const issuedKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
      return certificateOf({
        subject: names[0] ?? "nobody",
        issuer: name,
        keys: issuedKeys,
        signer: keys.privateKey,
        isAuthority: false,
        names,
        expired,
      });
    },
  };
}

function certificateOf(options: {
  subject: string;
  issuer: string;
  keys: { publicKey: KeyObject; privateKey: KeyObject };
  signer: KeyObject;
  isAuthority: boolean;
  names: readonly string[];
  expired?: boolean;
}): Issued {
  const end = options.expired === true ? Date.now() - DAY_MS : Date.now() + DAY_MS;
  const algorithm = sequence(oid("2a8648ce3d040302")); // ecdsa-with-SHA256
  const extensions = [extension("551d13", sequence(...(options.isAuthority ? [der(0x01, Buffer.from([0xff]))] : [])))];
  if (options.names.length > 0) extensions.push(extension("551d11", sequence(...options.names.map(generalName))));
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    nameOf(options.issuer),
    sequence(time(end - 2 * DAY_MS), time(end)),
    nameOf(options.subject),
    options.keys.publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign("sha256", content, options.signer)]));
  const lines = sequence(content, algorithm, signature)
    .toString("base64")
    .match(/.{1,64}/g);
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines?.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: options.keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(commonName)))));
}

function generalName(name: string): Buffer {
  if (isIP(name) === 4) return der(0x87, Buffer.from(name.split(".").map(Number)));
  return der(0x82, Buffer.from(name));
}

function extension(hex: string, value: Buffer): Buffer {
  return sequence(oid(hex), der(0x04, value));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return der(0x18, Buffer.from(digits));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
