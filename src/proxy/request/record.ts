import type { AuditOutbox, AuditReceiver } from "../../audit/outbox.ts";
import { requestRecord, startRecord } from "../../audit/record.ts";
import type { Refusals } from "../../audit/refusals.ts";
import { auditedAs, type ErrorCode, GatewayError } from "../../errors.ts";
import type { AuthFailure, MetricLane } from "../../observe/metric-slots.ts";
import type { Exchange } from "./exchange.ts";

/** Which calls leave a start record. */
export type Intent = "execute" | "all" | "off";

/**
 * The last step of every request: its metrics, and its audit record. Refusals that cost whoever causes them nothing are
 * summed or only counted (see `Audited`): otherwise a flood would fill the disk. Those answers wait for nothing.
 */
export class Recorder {
  readonly #outbox: AuditOutbox;
  readonly #refusals: Refusals;
  readonly #lane: MetricLane;
  readonly #intent: Intent;

  constructor(options: { outbox: AuditOutbox; refusals: Refusals; lane: MetricLane; intent: Intent }) {
    this.#outbox = options.outbox;
    this.#refusals = options.refusals;
    this.#lane = options.lane;
    this.#intent = options.intent;
  }

  /**
   * Records that a call is about to be sent, if its kind leaves a start record: then it must not be sent before the promise
   * resolves, which it does when the record is committed, whatever the AUDIT_MODE.
   * @throws GatewayError GW_003 when it cannot be.
   */
  begin(exchange: Exchange): Promise<void> | undefined {
    if (this.#intent === "off" || (this.#intent === "execute" && !mayRunCode(exchange))) return undefined;
    exchange.started = true;
    return new Promise((resolve, reject) => {
      this.#outbox.commit(startRecord(exchange, Date.now()), {
        audited: (written) => (written ? resolve() : reject(new GatewayError("GW_003", { retryAfter: 5 }))),
      });
    });
  }

  /** Records the end of an exchange once; `receiver` may let the response end when it is told. */
  record(exchange: Exchange, receiver: AuditReceiver | null): void {
    if (exchange.recorded) return;
    exchange.recorded = true;
    exchange.receiver = receiver;
    this.#lane.request(exchange.route, exchange.status, exchange.durationMs / 1000);
    if (this.#isByItself(exchange)) this.#outbox.submit(requestRecord(exchange), exchange);
    else exchange.audited(true);
  }

  /** Whether it gets a record of its own. */
  #isByItself(exchange: Exchange): boolean {
    if (exchange.route === "health" || exchange.route === "preflight") return false;
    if (exchange.decision === "allow" || exchange.started) return true;
    const code = exchange.rule as ErrorCode; // what denied it
    const audited = auditedAs(code);
    if (audited === "summed") return !this.#refusals.add(code, exchange, false);
    if (audited === "each" || exchange.principal !== undefined) return true;
    return audited === "few" && !this.#refusals.add(code, exchange, true);
  }

  refusal(error: GatewayError): void {
    this.#lane.error(error.code);
    const reason = error.reason ?? AUTH_FAILURE[error.code];
    if (reason !== undefined) this.#lane.authFailure(reason);
  }
}

/** An upgraded connection may run as much as it likes until it ends, which may be never. */
function mayRunCode({ route, offer }: Exchange): boolean {
  return route === "execute" || offer !== null;
}

const AUTH_FAILURE: Partial<Record<ErrorCode, AuthFailure>> = {
  AUTH_001: "invalid",
  AUTH_002: "missing",
  AUTH_003: "forbidden",
  AUTH_004: "forbidden",
  AUTH_005: "malformed",
  AUTH_006: "forbidden",
};
