import { createHmac, timingSafeEqual } from "node:crypto";

/** To which instance a client is bound, and until when: seconds since the epoch. */
export interface Binding {
  readonly instanceId: string;
  readonly until: number;
}

const TOKEN = /^(ins_[A-Za-z0-9_-]{1,64})\.([0-9a-z]{1,9})\.([A-Za-z0-9_-]{43})$/;

/** What a client keeps so that it comes back to its instance: of one sandbox, with an end, and nobody else can make one. */
export class CookieTokens {
  readonly #key: Uint8Array;

  constructor({ key }: { key: Uint8Array }) {
    this.#key = key;
  }

  seal(sandboxId: string, { instanceId, until }: Binding): string {
    const said = `${instanceId}.${until.toString(36)}`;
    return `${said}.${this.#proof(sandboxId, said)}`;
  }

  /** Undefined for one that is no such token, is another sandbox's, or is over. */
  open(token: string, sandboxId: string, now: number): Binding | undefined {
    const [, instanceId = "", end = "", proof = ""] = TOKEN.exec(token) ?? [];
    if (instanceId === "") return undefined;
    // As texts: a proof in base64 that only decodes to the same bytes is none.
    const expected = this.#proof(sandboxId, `${instanceId}.${end}`);
    if (!timingSafeEqual(Buffer.from(proof), Buffer.from(expected))) return undefined;
    const until = Number.parseInt(end, 36);
    return until > now ? { instanceId, until } : undefined;
  }

  #proof(sandboxId: string, said: string): string {
    return createHmac("sha256", this.#key).update(`${sandboxId}\n${said}`).digest("base64url");
  }
}
