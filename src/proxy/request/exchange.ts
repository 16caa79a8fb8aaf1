import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuditReceiver } from "../../audit/outbox.ts";
import type { ExecutionFacts, RequestFacts } from "../../audit/record.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Instance } from "../../domain/sandbox.ts";
import type { GatewayError } from "../../errors.ts";
import type { RouteKind } from "../../observe/metric-slots.ts";
import type { Head } from "./head.ts";

/**
 * One request on its way through the gateway: what has been learned and decided so far. Each step of the pipeline fills
 * in its part; the audit record is written from it.
 */
export class Exchange implements RequestFacts, AuditReceiver {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly requestId: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly at: number;
  /** Monotonic, milliseconds. */
  readonly startedAt: number;
  route: RouteKind = "none";
  address = "";
  head: Head | undefined;
  principal: Principal | undefined;
  decision: "allow" | "deny" = "deny";
  rule = "";
  sandboxId = "";
  instance: Instance | undefined;
  execution: ExecutionFacts | undefined;
  status = 0;
  outcome = "";
  bytesIn = 0;
  bytesOut = 0;
  /** The concurrency gate it holds a slot of; null when it holds none. */
  slot: { release(): void } | null = null;
  /** Its end has been recorded; whatever still happens to the connection is none of its business. */
  recorded = false;
  /** Waits for the record to be committed. */
  receiver: AuditReceiver | null = null;
  /** Why it ended early from the client's side, if it did. */
  cutBy: GatewayError | undefined;
  #stop: ((error: GatewayError) => void) | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, requestId: string) {
    this.req = req;
    this.res = res;
    this.requestId = requestId;
    this.at = Date.now();
    this.startedAt = performance.now();
  }

  /** Ends the exchange from the client's side: it went away, or the rest of its request makes no sense. */
  cut(error: GatewayError): void {
    if (this.recorded || this.cutBy !== undefined) return;
    this.cutBy = error;
    this.#stop?.(error);
  }

  /** Whoever works for this exchange says how to stop that; called at once when it has been cut already. */
  onCut(stop: (error: GatewayError) => void): void {
    this.#stop = stop;
    if (this.cutBy !== undefined) stop(this.cutBy);
  }

  /** The record is committed, or cannot be: gives the slot back and lets the response end. */
  audited(written: boolean): void {
    const { slot, receiver } = this;
    this.slot = null;
    this.receiver = null;
    this.#stop = undefined;
    slot?.release();
    receiver?.audited(written);
  }

  get kind(): RequestFacts["kind"] {
    return this.route === "proxy" || this.route === "execute" ? this.route : "api";
  }

  get method(): string {
    return this.req.method as string;
  }

  get path(): string {
    const target = this.head?.target ?? "";
    const query = target.indexOf("?");
    return query < 0 ? target : target.slice(0, query);
  }

  /** Part of the request's body has not come yet: what follows it on the connection must not be taken for a request. */
  get unread(): boolean {
    return this.head?.bodyLength !== 0 && !this.req.complete;
  }

  get instanceId(): string {
    return this.instance?.id ?? "";
  }

  get durationMs(): number {
    return performance.now() - this.startedAt;
  }
}
