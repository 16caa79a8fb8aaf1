import type { AuditOutbox, AuditReceiver } from "../../audit/outbox.ts";
import { requestRecord, startRecord } from "../../audit/record.ts";
import { type ErrorCode, GatewayError } from "../../errors.ts";
import type { AuthFailure, MetricLane } from "../../observe/metric-slots.ts";
import type { Exchange } from "./exchange.ts";

/** Which calls leave a start record. */
export type Intent = "execute" | "all" | "off";

/**
 * The last step of every request: its metrics, and its audit record. Not audited, only counted: health pages, and
 * refusals before anybody was authenticated that cost an attacker nothing (malformed requests, address limits, overload);
 * otherwise a flood would fill the disk.
 */
export class Recorder {
  readonly #outbox: AuditOutbox;
  readonly #lane: MetricLane;
  readonly #intent: Intent;

  constructor(options: { outbox: AuditOutbox; lane: MetricLane; intent: Intent }) {
    this.#outbox = options.outbox;
    this.#lane = options.lane;
    this.#intent = options.intent;
  }

  /**
   * Records that a call is about to be sent, if its kind leaves a start record: then it must not be sent before the promise
   * resolves, which it does when the record is committed, whatever the AUDIT_MODE.
   * @throws GatewayError GW_003 when it cannot be.
   */
  begin(exchange: Exchange): Promise<void> | undefined {
    if (this.#intent === "off" || (this.#intent === "execute" && exchange.route !== "execute")) return undefined;
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
    if (isAudited(exchange)) this.#outbox.submit(requestRecord(exchange), exchange);
    else exchange.audited(true);
  }

  refusal(error: GatewayError): void {
    this.#lane.error(error.code);
    const reason = authFailure(error);
    if (reason !== undefined) this.#lane.authFailure(reason);
  }
}

const UNAUDITED: ReadonlySet<string> = new Set<ErrorCode>([
  "VAL_001",
  "VAL_006",
  "VAL_007",
  "VAL_008",
  "VAL_009",
  "RATE_001",
  "RATE_002",
  "RATE_003",
  "AUTH_006",
  "ROUTE_003",
  "GW_002",
  "GW_003",
]);

function isAudited(exchange: Exchange): boolean {
  if (exchange.route === "health") return false;
  return exchange.principal !== undefined || !UNAUDITED.has(exchange.rule);
}

const AUTH_FAILURE: Partial<Record<ErrorCode, AuthFailure>> = {
  AUTH_001: "invalid",
  AUTH_002: "missing",
  AUTH_003: "forbidden",
  AUTH_004: "forbidden",
  AUTH_005: "malformed",
  AUTH_006: "forbidden",
};

function authFailure({ code, details }: GatewayError): AuthFailure | undefined {
  if (code === "AUTH_001" && details === "Token has expired") return "expired";
  if (code === "AUTH_001" && details === "Token has been revoked") return "revoked";
  return AUTH_FAILURE[code];
}
