import type { Config } from "../../config/schema.ts";
import { targetPolicy } from "../../domain/target-policy.ts";
import { discoverKeys } from "./discover.ts";
import { fetchDocument } from "./fetch-document.ts";
import { readKeySet } from "./key-set.ts";
import type { KeyDocument, KeySource } from "./key-source.ts";

interface KeyDocumentsOptions {
  readonly config: Config;
  /** What became of asking, where it became something else than the last time; null: it went well. */
  readonly onTurn: (issuer: string, trouble: string | null) => void;
  /** Milliseconds, of a clock that never goes back. */
  readonly now?: () => number;
}

/** Of a provider that is not in the configuration, or not yet: ask again at once. */
const UNKNOWN: KeyDocument = {
  text: null,
  ageMs: 0,
  askedMs: Number.POSITIVE_INFINITY,
  trouble: "no such provider is configured",
};

/** Asks identity providers for their keys, for the whole gateway: never the same one twice within the cooldown. */
export class KeyDocuments implements KeySource {
  readonly #onTurn: KeyDocumentsOptions["onTurn"];
  readonly #now: () => number;
  #documents: ReadonlyMap<string, Document> = new Map();

  constructor({ config, onTurn, now = () => performance.now() }: KeyDocumentsOptions) {
    this.#onTurn = onTurn;
    this.#now = now;
    this.configure(config);
  }

  /** Forgets what the providers of another configuration have said. */
  configure(config: Config): void {
    const entries = config.OIDC_ISSUER.map(({ issuer }, index) => {
      const document = new Document({
        fetch: keysOf(issuer, config.JWKS_URL[index], config),
        cooldownMs: config.JWKS_COOLDOWN,
        onTurn: (trouble) => this.#onTurn(issuer, trouble),
        now: this.#now,
      });
      return [issuer, document] as const;
    });
    this.#documents = new Map(entries);
  }

  async readKeys(issuer: string): Promise<KeyDocument> {
    const document = this.#documents.get(issuer);
    return document?.read() ?? UNKNOWN;
  }
}

interface DocumentOptions {
  readonly fetch: () => Promise<Buffer>;
  readonly cooldownMs: number;
  readonly onTurn: (trouble: string | null) => void;
  readonly now: () => number;
}

/** The document of one provider. */
class Document {
  readonly #o: DocumentOptions;
  #text: string | null = null;
  #readAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #trouble: string | null = null;
  #asking: Promise<void> | undefined;

  constructor(options: DocumentOptions) {
    this.#o = options;
  }

  async read(): Promise<KeyDocument> {
    if (this.#asking === undefined && this.#o.now() - this.#askedAt >= this.#o.cooldownMs) {
      this.#askedAt = this.#o.now();
      this.#asking = this.#ask().finally(() => {
        this.#asking = undefined;
      });
    }
    await this.#asking;
    const now = this.#o.now();
    const text = this.#text;
    return {
      text,
      ageMs: text === null ? 0 : now - this.#readAt,
      askedMs: now - this.#askedAt,
      trouble: this.#trouble,
    };
  }

  async #ask(): Promise<void> {
    const before = this.#trouble;
    try {
      const document = await this.#o.fetch();
      await readKeySet(document); // one that cannot be read takes the place of none that could
      this.#text = document.toString();
      this.#readAt = this.#o.now();
      this.#trouble = null;
    } catch (error) {
      this.#trouble = error instanceof Error ? error.message : String(error);
    }
    if ((before === null) !== (this.#trouble === null)) this.#o.onTurn(this.#trouble);
  }
}

/** Where they are is asked for once, and again when they are no longer there. */
function keysOf(issuer: string, url: string | undefined, config: Config): () => Promise<Buffer> {
  const targets = targetPolicy(config.TARGET_ALLOW, config.TARGET_DENY);
  const fetch = (from: string): Promise<Buffer> => fetchDocument(from, { targets, timeoutMs: config.JWKS_TIMEOUT });
  let known = url;
  return async () => {
    known ??= await discoverKeys(issuer, fetch);
    try {
      return await fetch(known);
    } catch (error) {
      known = url;
      throw error;
    }
  };
}
