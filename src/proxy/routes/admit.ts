import { findSandbox } from "../../auth/authorize.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Sandbox } from "../../domain/sandbox.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { ConcurrencyGate } from "../../limits/concurrency.ts";
import type { Exchange } from "../request/exchange.ts";

/** The last question before a call is dispatched, whatever kind it is: is the sandbox there, and is there room? */
export class Admission {
  readonly #snapshot: () => Snapshot;
  readonly #gate: ConcurrencyGate;

  constructor(options: { snapshot: () => Snapshot; gate: ConcurrencyGate }) {
    this.#snapshot = options.snapshot;
    this.#gate = options.gate;
  }

  /** @throws GatewayError ROUTE_001 when there is no such sandbox for this principal. */
  find(principal: Principal, sandboxId: string): Sandbox {
    return findSandbox(this.#snapshot(), principal, sandboxId);
  }

  /** Takes a slot for the exchange. Returns a promise only when it has to wait for one. @throws GatewayError RATE_002 */
  admit(exchange: Exchange, { role }: Principal): Promise<void> | undefined {
    exchange.decision = "allow";
    exchange.rule = `role:${role}`;
    if (!this.#gate.tryAcquire()) return this.#waitForSlot(exchange);
    exchange.slot = this.#gate;
    return undefined;
  }

  async #waitForSlot(exchange: Exchange): Promise<void> {
    const left = new AbortController();
    exchange.onCut(() => left.abort());
    await this.#gate.acquire(left.signal).catch((error: unknown) => {
      throw exchange.cutBy ?? error;
    });
    exchange.slot = this.#gate;
  }
}
