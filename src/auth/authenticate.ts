import type { Principal } from "../domain/principal.ts";
import type { Snapshot } from "../domain/snapshot/snapshot.ts";
import { lastRefusedExpiry } from "../domain/token.ts";
import { GatewayError } from "../errors.ts";
import type { SketchKey } from "../limits/sketch.ts";
import { checkRevoked } from "./authorize.ts";
import { bearerToken, repeatsToken, type TokenFields } from "./credentials/token.ts";

export interface Verifier {
  /** Turns a token into a principal. @throws GatewayError AUTH_001 */
  verify(token: string): Promise<Principal>;
  /** Whether a key of this gateway has signed the token, whatever it says and however old it is. */
  signed(token: string): Promise<boolean>;
}

/** A principal together with its keys for limits, made once per token. */
export interface Caller {
  readonly principal: Principal;
  /** For its execute and API calls, and for what it has proxied. */
  readonly rateKey: bigint;
  readonly proxyRateKey: bigint;
  /** Where its share is counted; null when it is nobody in particular. */
  readonly shareKey: SketchKey | null;
}

const TOKEN = /^[A-Za-z0-9._~+/=-]{1,8192}$/;

/** The part of the cache that one subject's tokens may take. */
const SHARE = 1 / 4;

/**
 * Who is calling. A token that was verified before costs one map look-up; whether it has been revoked is asked of the
 * snapshot every time. The cache is bounded and never outlives a token; a subject that has more than its share of it loses its
 * own oldest entry, not somebody else's.
 */
export class Authenticator {
  readonly #verifier: Verifier;
  readonly #cacheSize: number;
  readonly #skewMs: number;
  readonly #rateKey: (name: string) => bigint;
  readonly #shareKey: (name: string) => SketchKey;
  readonly #now: () => number;
  /** By the token, not by the spelling of the field it came in. */
  readonly #known = new Map<string, Caller>();
  /** The tokens of each subject in it, oldest first. */
  readonly #bySubject = new Map<string, string[]>();

  constructor(options: {
    verifier: Verifier;
    cacheSize: number;
    /** Clock difference that is tolerated, ms. */
    skewMs: number;
    rateKey: (name: string) => bigint;
    shareKey: (name: string) => SketchKey;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    this.#verifier = options.verifier;
    this.#cacheSize = options.cacheSize;
    this.#skewMs = options.skewMs;
    this.#rateKey = options.rateKey;
    this.#shareKey = options.shareKey;
    this.#now = options.now;
  }

  get cached(): number {
    return this.#known.size;
  }

  /**
   * The caller, if its token has been verified before.
   * @throws GatewayError AUTH_001 when the token was revoked, AUTH_002 when there is none.
   */
  known(token: string | undefined, snapshot: Snapshot): Caller | undefined {
    if (token === undefined) throw new GatewayError("AUTH_002");
    const caller = this.#known.get(token);
    if (caller === undefined) return undefined;
    if (caller.principal.expiresAt <= lastRefusedExpiry(this.#now(), this.#skewMs)) {
      this.#forget(token);
      return undefined;
    }
    checkRevoked(caller.principal, snapshot);
    return caller;
  }

  /** @throws GatewayError AUTH_001 (not a good token), AUTH_005 (no token at all). */
  async verify(token: string, snapshot: () => Snapshot): Promise<Caller> {
    if (!TOKEN.test(token)) throw new GatewayError("AUTH_005");
    const principal = await this.#verifier.verify(token);
    const name = `subject ${principal.subject}`;
    const caller = {
      principal,
      rateKey: this.#rateKey(name),
      proxyRateKey: this.#rateKey(`proxied ${name}`),
      shareKey: this.#shareKey(name),
    };
    checkRevoked(principal, snapshot());
    this.#remember(token, caller);
    return caller;
  }

  /**
   * Whether the Authorization field beside X-Sandbox-Token is the sandbox's own and goes on to it. Not when it repeats that
   * token, which no sandbox may have.
   * @throws GatewayError AUTH_005 when it carries another token that this gateway has signed: nobody can tell who calls.
   */
  async passesAuthorization(fields: TokenFields): Promise<boolean> {
    if (fields.authorization === undefined || repeatsToken(fields)) return false;
    const token = bearerToken(fields.authorization);
    if (!this.#known.has(token) && !(await this.#verifier.signed(token))) return true;
    throw new GatewayError("AUTH_005", { details: "Authorization and X-Sandbox-Token are two tokens of this gateway" });
  }

  #remember(token: string, caller: Caller): void {
    const { subject } = caller.principal;
    const own = this.#bySubject.get(subject) ?? [];
    if (!this.#known.has(token)) own.push(token);
    this.#bySubject.set(subject, own);
    this.#known.set(token, caller);
    if (own.length > Math.ceil(this.#cacheSize * SHARE)) this.#forget(own[0] as string);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size > this.#cacheSize) this.#forget(oldest);
      break;
    }
  }

  #forget(token: string): void {
    const subject = this.#known.get(token)?.principal.subject as string;
    this.#known.delete(token);
    const own = this.#bySubject.get(subject) ?? [];
    own.splice(own.indexOf(token), 1);
    if (own.length === 0) this.#bySubject.delete(subject);
  }
}
