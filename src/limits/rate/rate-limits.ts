import type { Rate } from "../../domain/value/quantities.ts";
import { type ErrorCode, GatewayError } from "../../errors.ts";
import { type Cells, RateLimiter } from "./rate-limit.ts";

/** What a limit is asked for: running code and the API, what is proxied to a sandbox, everything from one address. */
export type RateKind = "api" | "proxy" | "address";

/** Every limit that an answer may tell of. */
export type LimitKind = RateKind | "role" | "operation" | "sandbox";

/** What an answer tells of the limit that its request was counted by. */
export interface Limited {
  /** null: it was counted by none. */
  limit: Limit | null;
  /** As `RateLimiter.take` has returned it. */
  taken: number;
}

/** A failed authentication is counted as so many requests more of its address. */
const FAILURE_WEIGHT = 9;

/** One limit with its name, as the answer tells it. */
export interface Limit {
  readonly kind: LimitKind;
  readonly limiter: RateLimiter;
  /** For RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers). */
  readonly policy: string;
  readonly details: string;
}

const WHOSE: Readonly<Record<RateKind, string>> = {
  api: "This caller's limit of execute and API calls (RATE_LIMIT_REQUESTS)",
  proxy: "This caller's limit of proxied requests (PROXY_RATE_LIMIT_REQUESTS)",
  address: "The limit of requests from this address (ADDRESS_RATE_LIMIT_REQUESTS)",
};

/**
 * The limits a request meets: its address's before anybody is authenticated, so that guessing tokens is limited too, and
 * then its caller's for this kind of request. The address's is well above, because many callers may share one.
 * A `key` is a `rateKey`; `now` is `process.hrtime.bigint()`.
 */
export class RateLimits {
  readonly #limits: Readonly<Record<RateKind, Limit>>;

  constructor(options: { cells: Cells; rates: Readonly<Record<RateKind, Rate>> }) {
    const { cells, rates } = options;
    const limit = (kind: RateKind): Limit => newLimit(kind, cells, rates[kind], WHOSE[kind]);
    this.#limits = { api: limit("api"), proxy: limit("proxy"), address: limit("address") };
  }

  /**
   * Counts one request from an address, before anybody knows whose it is.
   * @throws GatewayError RATE_001, which says which limit was met and when to come back.
   */
  admit(addressKey: bigint, now: bigint): void {
    const { address } = this.#limits;
    const waitNs = address.limiter.admit(addressKey, now);
    if (waitNs > 0) throw over(address, waitNs);
  }

  /** A request of that address showed what is nobody's: it counts more than one that is somebody's. */
  failed(addressKey: bigint, now: bigint): void {
    this.#limits.address.limiter.charge(addressKey, now, FAILURE_WEIGHT);
  }

  /**
   * Counts one request that the address's limit has let in. One that is refused does not use up what the others at its
   * address may have. `told` is told what is left.
   * @throws GatewayError RATE_001
   */
  admitCaller(kind: "api" | "proxy", key: bigint, addressKey: bigint, now: bigint, told: Limited): void {
    const limit = this.#limits[kind];
    const taken = limit.limiter.take(key, now);
    if (taken > 0) {
      this.#limits.address.limiter.refund(addressKey, now);
      throw over(limit, taken);
    }
    told.limit = limit;
    told.taken = taken;
  }
}

/** Adds to an answer's fields (name, value, name, value…) what is left of the limit that its request was counted by. */
export function pushRateFields(fields: string[], { limit, taken }: Limited): void {
  if (limit === null) return;
  const { kind, policy, limiter } = limit;
  const seconds = Math.ceil(limiter.restored(taken) / 1e9);
  fields.push("ratelimit-policy", policy, "ratelimit", `"${kind}";r=${limiter.remaining(taken)};t=${seconds}`);
}

/** Of several limits an answer tells of the one of which least is left. */
export function tell(told: Limited, limit: Limit, taken: number): void {
  const { limit: other } = told;
  if (other !== null && other.limiter.remaining(told.taken) <= limit.limiter.remaining(taken)) return;
  told.limit = limit;
  told.taken = taken;
}

/** `whose`: what a refusal says of it. */
export function newLimit(kind: LimitKind, cells: Cells, rate: Rate, whose: string): Limit {
  const window = Math.ceil(rate.windowMs / 1000);
  return {
    kind,
    limiter: new RateLimiter({ cells, ...rate }),
    policy: `"${kind}";q=${rate.requests};w=${window}`,
    details: `${whose}: ${rate.requests} in ${rate.windowMs / 1000} s`,
  };
}

/** What a request is refused with that would have to wait so long. */
export function over({ kind, policy, details }: Limit, waitNs: number, code: ErrorCode = "RATE_001"): GatewayError {
  const seconds = Math.max(1, Math.ceil(waitNs / 1e9));
  const headers = { "ratelimit-policy": policy, ratelimit: `"${kind}";r=0;t=${seconds}` };
  return new GatewayError(code, { details, retryAfter: seconds, headers });
}
