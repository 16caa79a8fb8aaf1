import { checkRevoked, findSandbox, revoked } from "../../auth/authorize.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Sandbox } from "../../domain/sandbox.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../errors.ts";
import type { ConcurrencyGate } from "../../limits/concurrency.ts";
import type { Exchange } from "../request/exchange.ts";
import type { InFlight } from "../request/in-flight.ts";

/** Room for a call, and the last question before it is dispatched, whatever kind it is. */
export class Admission {
  readonly #snapshot: () => Snapshot;
  readonly #gate: ConcurrencyGate;
  readonly #skewMs: number;
  readonly #now: () => number;

  constructor(options: {
    snapshot: () => Snapshot;
    gate: ConcurrencyGate;
    /** Clock difference that is tolerated in a token's end, ms. */
    skewMs: number;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    this.#snapshot = options.snapshot;
    this.#gate = options.gate;
    this.#skewMs = options.skewMs;
    this.#now = options.now;
  }

  /** @throws GatewayError ROUTE_001 when there is no such sandbox for this principal. */
  find(principal: Principal, sandboxId: string): Sandbox {
    return findSandbox(this.#snapshot(), principal, sandboxId);
  }

  /** Takes a slot for the exchange. Returns a promise only when it has to wait for one. @throws GatewayError RATE_002 */
  enter(exchange: Exchange): Promise<void> | undefined {
    if (!this.#gate.tryAcquire()) return this.#waitForSlot(exchange);
    exchange.slot = this.#gate;
    return undefined;
  }

  /**
   * May the call be dispatched now? Everything before may have waited, so this is asked last, and nothing is awaited
   * between the answer and the dispatch. Returns the sandbox as it is now.
   * @throws GatewayError AUTH_001 when the token has been revoked or has expired meanwhile, ROUTE_001 when the sandbox has
   *   gone, and whatever the exchange was cut with.
   */
  admit(exchange: Exchange, principal: Principal, sandboxId: string): Sandbox {
    if (exchange.cutBy !== undefined) throw exchange.cutBy;
    const snapshot = this.#snapshot();
    checkRevoked(principal, snapshot);
    if (principal.expiresAt + this.#skewMs <= this.#now()) {
      throw new GatewayError("AUTH_001", { details: "Token has expired" });
    }
    const sandbox = findSandbox(snapshot, principal, sandboxId);
    exchange.decision = "allow";
    exchange.rule = `role:${principal.role}`;
    return sandbox;
  }

  async #waitForSlot(exchange: Exchange): Promise<void> {
    const left = new AbortController();
    const leave = (): void => left.abort();
    exchange.onCut(leave);
    try {
      await this.#gate.acquire(left.signal);
    } catch (error) {
      throw exchange.cutBy ?? error;
    } finally {
      exchange.offCut(leave);
    }
    exchange.slot = this.#gate;
  }
}

/**
 * Asks again of everything in flight, when state has changed: a revoked token's calls end whatever they wait for; a call
 * to a sandbox that has gone ends unless it may have reached an instance, which then answers it to the end.
 */
export function recheck(inFlight: InFlight, { revoked: tokens, sandboxes }: Snapshot): void {
  for (const exchange of inFlight) {
    const { principal, sandboxId, sent } = exchange;
    if (principal === undefined) continue;
    if (tokens.get(principal.tokenId) !== undefined) exchange.withdraw(revoked());
    else if (!sent && sandboxId !== "" && sandboxes.get(sandboxId) === undefined) {
      exchange.cut(new GatewayError("ROUTE_001"));
    }
  }
}
