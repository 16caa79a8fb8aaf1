import { GatewayError } from "../../errors.ts";
import type { VerificationKey } from "../keys/verification-keys.ts";
import { type KeySet, readKeySet } from "./key-set.ts";
import type { KeyDocument } from "./key-source.ts";

export interface ProviderKeysOptions {
  /** What is known of them now, to the whole gateway. */
  readonly read: () => Promise<KeyDocument>;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly cooldownMs: number;
  /** Milliseconds, of any clock that never goes back. */
  readonly now: () => number;
}

/**
 * The keys of an identity provider, as one thread has them. They are asked for anew when they are old, or when a token names one
 * that is not among them, but never twice within the cooldown, whatever tokens name. While they cannot be had, those that are
 * known go on.
 */
export class ProviderKeys {
  readonly #o: ProviderKeysOptions;
  #set: KeySet | undefined;
  #text: string | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** Why they could not be had the last time. */
  #trouble: unknown;
  #asking: Promise<void> | undefined;

  constructor(options: ProviderKeysOptions) {
    this.#o = options;
  }

  /**
   * The key of this name; undefined when the provider has none. Waits only where the answer depends on it.
   * @throws GatewayError AUTH_009 when nobody knows, because the provider cannot be asked.
   */
  async find(kid: string | undefined): Promise<VerificationKey | undefined> {
    const known = this.#good()?.find(kid);
    if (known !== undefined) {
      if (this.#age > this.#o.ttlMs) void this.#refresh();
      return known;
    }
    await this.#refresh();
    const found = this.#good()?.find(kid);
    if (found !== undefined || this.#trouble === undefined) return found;
    throw new GatewayError("AUTH_009", { cause: this.#trouble, retryAfter: Math.ceil(this.#o.cooldownMs / 1000) });
  }

  get #age(): number {
    return this.#o.now() - this.#readAt;
  }

  #good(): KeySet | undefined {
    return this.#age <= Math.max(this.#o.ttlMs, this.#o.staleMs) ? this.#set : undefined;
  }

  /** Never rejects. */
  #refresh(): Promise<void> {
    if (this.#asking !== undefined) return this.#asking;
    const now = this.#o.now();
    if (now - this.#askedAt < this.#o.cooldownMs) return Promise.resolve();
    this.#askedAt = now;
    this.#asking = this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    try {
      const { text, ageMs, askedMs, trouble } = await this.#o.read();
      const now = this.#o.now();
      this.#askedAt = now - askedMs;
      this.#trouble = trouble ?? undefined;
      if (text === null) return;
      if (text !== this.#text) this.#set = await readKeySet(Buffer.from(text));
      this.#text = text;
      this.#readAt = now - ageMs;
    } catch (error) {
      this.#trouble = error;
    }
  }
}
