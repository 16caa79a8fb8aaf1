import type { webcrypto } from "node:crypto";
import type { SigningAlgorithm, SigningKey } from "../../domain/credential/signing-key.ts";
import { importSecret, openVerifier, sharedSecretId } from "./signing.ts";
import type { ThreadKeys } from "./key-ring.ts";

/** What verifies the tokens of one key. */
export interface VerificationKey {
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  key(): Promise<webcrypto.CryptoKey>;
}

/** The signing keys as the snapshot has them. */
export interface SigningKeys {
  get(id: string): SigningKey | undefined;
  values(): Iterable<SigningKey>;
}

/** What verifies the tokens of this gateway's own keys, found by the id that a token names. */
export class VerificationKeys {
  readonly #sealingKey: Uint8Array;
  readonly #configured: VerificationKey | null;
  readonly #now: () => number;
  /** Opening a key costs more than verifying, so it happens once, and only for keys that are used. */
  readonly #opened = new WeakMap<SigningKey, Promise<webcrypto.CryptoKey>>();

  constructor(options: { keys: Pick<ThreadKeys, "sealingKey" | "tokenSecret">; now: () => number }) {
    const { sealingKey, tokenSecret } = options.keys;
    this.#sealingKey = sealingKey;
    this.#configured = tokenSecret && configured(tokenSecret);
    this.#now = options.now;
  }

  /** `id`: as the token names it; undefined = it names none, which is enough where one key alone verifies. */
  find(id: string | undefined, keys: SigningKeys): VerificationKey | undefined {
    if (this.#configured !== null) return id === undefined || id === this.#configured.id ? this.#configured : undefined;
    const known = id === undefined ? this.#only(keys) : keys.get(id);
    return known !== undefined && this.#verifies(known) ? this.#open(known) : undefined;
  }

  #only(keys: SigningKeys): SigningKey | undefined {
    const [only, ...others] = Array.from(keys.values()).filter((key) => this.#verifies(key));
    return others.length === 0 ? only : undefined;
  }

  #verifies({ retiresAt, retiredAt }: SigningKey): boolean {
    return retiredAt === null && (retiresAt === null || retiresAt > this.#now());
  }

  #open(key: SigningKey): VerificationKey {
    const { id, algorithm } = key;
    return {
      id,
      algorithm,
      key: () => {
        const opened = this.#opened.get(key) ?? openVerifier(this.#sealingKey, key);
        this.#opened.set(key, opened);
        return opened;
      },
    };
  }
}

function configured(secret: Uint8Array): VerificationKey {
  let imported: Promise<webcrypto.CryptoKey> | undefined;
  return { id: sharedSecretId(secret), algorithm: "HS256", key: () => (imported ??= importSecret(secret)) };
}
