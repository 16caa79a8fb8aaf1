import type { Use } from "../domain/token.ts";
import type { Caller } from "./caller.ts";

/** The part that one subject's credentials may take. */
const SHARE = 1 / 4;

/**
 * The texts of one cookie that are kept: each other cookie of its name beside it makes another text of it, and whoever sends
 * them can invent those without end, as long as a header may be.
 */
const TEXTS_OF_COOKIE = 16;

/**
 * Callers by the credential that was verified, whichever field it came in. Bounded: a subject that has more than its share
 * loses its own oldest entry, not somebody else's.
 */
export class KnownCallers {
  readonly #most: number;
  readonly #callers = new Map<string, Caller>();
  /** The credentials of each subject in it, oldest first. */
  readonly #bySubject = new Map<string, string[]>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#callers.size;
  }

  has(credential: string): boolean {
    return this.#callers.has(credential);
  }

  get(credential: string): Caller | undefined {
    return this.#callers.get(credential);
  }

  /** Of those that called since then, ms since the epoch. */
  usesSince(since: number): Use[] {
    return Array.from(this.#callers.values(), ({ principal, usedAt }) => ({
      tokenId: principal.tokenId,
      at: usedAt,
    })).filter(({ at }) => at >= since);
  }

  remember(credential: string, caller: Caller): void {
    const { subject } = caller.principal;
    const own = this.#bySubject.get(subject) ?? [];
    if (!this.#callers.has(credential)) own.push(credential);
    this.#bySubject.set(subject, own);
    this.#callers.set(credential, caller);
    if (caller.ambient) this.#forgetOldestText(own, caller.principal.tokenId);
    if (own.length > Math.ceil(this.#most * SHARE)) this.forget(own[0] as string);
    for (const oldest of this.#callers.keys()) {
      if (this.#callers.size > this.#most) this.forget(oldest);
      break;
    }
  }

  forget(credential: string): void {
    const subject = this.#callers.get(credential)?.principal.subject as string;
    this.#callers.delete(credential);
    const own = this.#bySubject.get(subject) ?? [];
    own.splice(own.indexOf(credential), 1);
    if (own.length === 0) this.#bySubject.delete(subject);
  }

  #forgetOldestText(own: readonly string[], tokenId: string): void {
    const texts = own.filter((text) => this.#callers.get(text)?.principal.tokenId === tokenId);
    if (texts.length > TEXTS_OF_COOKIE) this.forget(texts[0] as string);
  }
}
