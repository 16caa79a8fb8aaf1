import type { webcrypto } from "node:crypto";
import { scanJson } from "../../domain/json-scan.ts";
import { type PublicJwk, SIGNING_ALGORITHMS, type SigningAlgorithm } from "../../domain/credential/signing-key.ts";
import { KINDS } from "../keys/strength.ts";
import { importPublicKey, PUBLIC_MEMBERS } from "../keys/signing.ts";
import type { VerificationKey } from "../keys/verification-keys.ts";
import { isRecord, type Members } from "../tokens/form.ts";

const MOST_MEMBERS = 4_096;
const MOST_KEYS = 100;

/** The keys of an identity provider by their `kid`, as it has published them once. */
export class KeySet {
  readonly #keys: ReadonlyMap<string, VerificationKey>;
  readonly #only: VerificationKey | undefined;

  constructor(keys: readonly VerificationKey[]) {
    const named = Map.groupBy(
      keys.filter(({ id }) => id !== ""),
      ({ id }) => id,
    );
    // Two keys of one name: nobody can tell which is meant.
    this.#keys = new Map(
      [...named].flatMap(([id, [key, ...others]]) => (key && others.length === 0 ? [[id, key]] : [])),
    );
    this.#only = keys.length === 1 ? keys[0] : undefined;
  }

  /** `kid`: as a token has it; one that has none is taken where there is one key alone. */
  find(kid: string | undefined): VerificationKey | undefined {
    return kid === undefined ? this.#only : this.#keys.get(kid);
  }
}

/**
 * Reads a JWK set (RFC 7517 section 5). Keys that are of no use (another algorithm, for encryption, too weak, unreadable) are
 * left out. @throws Error when it is no such set
 */
export async function readKeySet(document: Buffer): Promise<KeySet> {
  scanJson(document, { members: MOST_MEMBERS });
  const set: unknown = JSON.parse(document.toString());
  const keys = isRecord(set) ? set["keys"] : undefined;
  if (!Array.isArray(keys) || keys.length > MOST_KEYS) throw new Error("no set of keys");
  const read = await Promise.all(keys.filter(isRecord).map((jwk) => readKey(jwk).catch(() => undefined)));
  return new KeySet(read.filter((key) => key !== undefined));
}

async function readKey(jwk: Members): Promise<VerificationKey | undefined> {
  const algorithm = algorithmOf(jwk);
  const { kid = "", use = "sig", key_ops: operations = ["verify"] } = jwk;
  const verifies = use === "sig" && Array.isArray(operations) && operations.includes("verify");
  if (algorithm === undefined || !verifies || typeof kid !== "string") return undefined;
  const members = Object.entries(jwk).filter(
    ([name, value]) => PUBLIC_MEMBERS.includes(name) && typeof value === "string",
  );
  const key: webcrypto.CryptoKey = await importPublicKey(Object.fromEntries(members) as PublicJwk, algorithm);
  return { id: kid, algorithm, key: () => Promise.resolve(key) };
}

/** Of the algorithms that are taken here, never one with a shared secret. */
function algorithmOf({ kty, crv, alg }: Members): SigningAlgorithm | undefined {
  const own = SIGNING_ALGORITHMS.find((name) => KINDS[name].kty === kty && KINDS[name].crv === crv);
  return alg === undefined || alg === own || (alg === "Ed25519" && own === "EdDSA") ? own : undefined;
}
