import { GatewayError } from "../../errors.ts";
import { type Cells, RateLimiter } from "./rate-limit.ts";

/** Turns an address's key for limits into the one that its failures are counted under. */
const FAILURES = 0x5f3c_91d7_2b8e_60a4n;

/**
 * Addresses from which somebody guesses. After so many credentials that are nobody's, what is not known yet is not even
 * looked at for a while; callers that are known go on, whoever else calls from their address. Counted as everything is that
 * is limited: in shared memory, over all threads, in a bounded table.
 */
export class Lockout {
  readonly #limiter: RateLimiter;
  readonly #durationNs: bigint;

  /** `attempts` failures within `durationMs` lock an address out for as long. */
  constructor(options: { cells: Cells; attempts: number; durationMs: number }) {
    const { cells, attempts, durationMs } = options;
    this.#limiter = new RateLimiter({ cells, requests: attempts, windowMs: durationMs, burst: attempts });
    this.#durationNs = BigInt(durationMs) * 1_000_000n;
  }

  /** `addressKey`, `now`: as for RateLimits. @throws GatewayError AUTH_014 */
  check(addressKey: bigint, now: bigint): void {
    const waitNs = this.#limiter.wait(failuresKey(addressKey), now);
    if (waitNs > 0) throw new GatewayError("AUTH_014", { retryAfter: Math.ceil(waitNs / 1e9) });
  }

  /** Another credential from there was nobody's. */
  failed(addressKey: bigint, now: bigint): void {
    const key = failuresKey(addressKey);
    const taken = this.#limiter.take(key, now);
    if (taken > 0 || this.#limiter.remaining(taken) > 0) return; // locked out already, by who came at the same moment; or not yet
    this.#limiter.block(key, now, this.#durationNs);
  }
}

/** What an address's failures are counted under; `addressKey`: what its requests are. */
export function failuresKey(addressKey: bigint): bigint {
  return addressKey ^ FAILURES;
}
