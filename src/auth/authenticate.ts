import type { Principal } from "../domain/principal.ts";
import type { Snapshot } from "../domain/snapshot/snapshot.ts";
import { GatewayError } from "../errors.ts";
import { checkRevoked } from "./authorize.ts";

/** Turns a token into a principal. @throws GatewayError AUTH_001 */
export interface Verifier {
  verify(token: string): Promise<Principal>;
}

/** A principal together with its key for limits, made once per token. */
export interface Caller {
  readonly principal: Principal;
  readonly rateKey: bigint;
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i;
const MAX_FIELD = 8192 + "Bearer ".length;

/**
 * Who is calling. A token that was verified before costs one map look-up; whether it has been revoked is asked of the
 * snapshot every time. The cache is bounded (oldest entry out first) and never outlives a token.
 */
export class Authenticator {
  readonly #verifier: Verifier;
  readonly #cacheSize: number;
  readonly #skewMs: number;
  readonly #rateKey: (name: string) => bigint;
  readonly #now: () => number;
  /** By the whole field value, so that a hit needs no parsing. */
  readonly #known = new Map<string, Caller>();

  constructor(options: {
    verifier: Verifier;
    cacheSize: number;
    /** Clock difference that is tolerated, ms. */
    skewMs: number;
    rateKey: (name: string) => bigint;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    this.#verifier = options.verifier;
    this.#cacheSize = options.cacheSize;
    this.#skewMs = options.skewMs;
    this.#rateKey = options.rateKey;
    this.#now = options.now;
  }

  get cached(): number {
    return this.#known.size;
  }

  /**
   * The caller, if its token has been verified before.
   * @throws GatewayError AUTH_001 when the token was revoked, AUTH_002 when there is none.
   */
  known(authorization: string | undefined, snapshot: Snapshot): Caller | undefined {
    if (authorization === undefined) throw new GatewayError("AUTH_002");
    const caller = this.#known.get(authorization);
    if (caller === undefined) return undefined;
    if (caller.principal.expiresAt + this.#skewMs <= this.#now()) {
      this.#known.delete(authorization);
      return undefined;
    }
    checkRevoked(caller.principal, snapshot);
    return caller;
  }

  /** @throws GatewayError AUTH_001 (not a good token), AUTH_005 (not a Bearer field). */
  async verify(authorization: string, snapshot: () => Snapshot): Promise<Caller> {
    const token = authorization.length > MAX_FIELD ? undefined : BEARER.exec(authorization)?.[1];
    if (token === undefined) throw new GatewayError("AUTH_005", { details: "Expected: Bearer <token>" });
    const principal = await this.#verifier.verify(token);
    const caller = { principal, rateKey: this.#rateKey(`subject ${principal.subject}`) };
    checkRevoked(principal, snapshot());
    this.#remember(authorization, caller);
    return caller;
  }

  #remember(authorization: string, caller: Caller): void {
    this.#known.set(authorization, caller);
    if (this.#known.size <= this.#cacheSize) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      break;
    }
  }
}
