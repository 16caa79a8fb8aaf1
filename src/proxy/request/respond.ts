// The gateway's own answers, and the only place where an error becomes HTTP.

import { type ErrorCode, errorBody, GatewayError } from "../../errors.ts";
import { pushRateFields } from "../../limits/rate/rate-limits.ts";
import type { Deliveries } from "./delivery.ts";
import type { Exchange } from "./exchange.ts";
import { linger } from "./linger.ts";
import { errorPage, PAGE_FIELDS } from "./pages/error-page.ts";
import { wantsPage } from "./pages/navigation.ts";
import type { Recorder } from "./record.ts";

/** After these the connection's framing cannot be trusted. */
const CLOSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "VAL_001",
  "VAL_006",
  "VAL_007",
  "VAL_008",
  "VAL_009",
  "GW_002",
]);

/** Where the gateway's own tokens are asked for (RFC 9110 section 11.5). */
export const REALM = "sandboxgw";

export interface ResponderOptions {
  readonly recorder: Recorder;
  readonly deliveries: Deliveries;
  readonly onInternalError: (error: GatewayError, requestId: string) => void;
}

export class Responder {
  readonly #recorder: Recorder;
  readonly #deliveries: Deliveries;
  readonly #onInternalError: (error: GatewayError, requestId: string) => void;

  constructor(options: ResponderOptions) {
    this.#recorder = options.recorder;
    this.#deliveries = options.deliveries;
    this.#onInternalError = options.onInternalError;
  }

  /** Answers with a JSON text once the exchange is recorded; an unwritten record turns it into GW_003. */
  json(exchange: Exchange, status: number, body: string, fields: readonly string[] = NO_STORE): void {
    exchange.status = status;
    exchange.bytesOut = Buffer.byteLength(body);
    this.#recorder.record(exchange, {
      audited: (written) => {
        if (written) this.#send(exchange, status, body, fields, false);
        else this.unrecorded(exchange);
      },
    });
  }

  /** Sends the client, with the same method and body, to another of the gateway's paths (RFC 9110 section 15.4.9). */
  redirect(exchange: Exchange, location: string): void {
    const body = JSON.stringify({ location });
    exchange.status = 308;
    exchange.bytesOut = Buffer.byteLength(body);
    this.#recorder.record(exchange, {
      audited: (written) => {
        if (written) this.#send(exchange, 308, body, ["location", location, ...NO_STORE], false);
        else this.#sendError(exchange, new GatewayError("GW_003", { executed: "no" }));
      },
    });
  }

  /** Answers with fields alone, name, value, name, value…, once the exchange is recorded. */
  fields(exchange: Exchange, status: number, fields: readonly string[]): void {
    exchange.status = status;
    exchange.bytesOut = 0;
    this.#recorder.record(exchange, {
      audited: (written) => {
        const { res, requestId } = exchange;
        if (!written) this.unrecorded(exchange);
        else if (res.destroyed || res.headersSent) res.destroy();
        else {
          const framing = status === 204 ? [] : ["content-length", "0"];
          const all = [...fields, "x-request-id", requestId, ...framing];
          pushRateFields(all, exchange);
          res.writeHead(status, all).end();
        }
      },
    });
  }

  /** Answers a call that was carried out but could not be recorded: its result must not look like a success. */
  unrecorded(exchange: Exchange): void {
    this.#sendError(exchange, new GatewayError("GW_003", { executed: "yes" }));
  }

  /** Answers with the error's envelope once the exchange is recorded. */
  error(exchange: Exchange, thrown: unknown): void {
    if (exchange.recorded) return;
    const executed = exchange.instance === undefined ? "no" : "maybe";
    const error = thrown instanceof GatewayError ? thrown : new GatewayError("GW_001", { cause: thrown, executed });
    if (error.code === "GW_001") this.#onInternalError(error, exchange.requestId);
    this.#recorder.refusal(error);
    exchange.status = error.status;
    if (exchange.decision === "deny") exchange.rule = error.code;
    else exchange.outcome = error.code;
    this.#recorder.record(exchange, { audited: () => this.#sendError(exchange, error) });
  }

  #sendError(exchange: Exchange, error: GatewayError): void {
    const fields = [...NO_STORE];
    if (error.retryAfter !== undefined) fields.push("retry-after", String(Math.ceil(error.retryAfter)));
    const challenge = bearerChallenge(error);
    if (challenge !== undefined) fields.push("www-authenticate", challenge);
    for (const [name, value] of Object.entries(error.headers ?? {})) fields.push(name, value);
    const closes = CLOSING.has(error.code);
    if (wantsPage(exchange)) {
      const page = errorPage(error, exchange.requestId);
      return this.#send(exchange, error.status, page, [...fields, ...PAGE_FIELDS], closes, "text/html; charset=utf-8");
    }
    this.#send(exchange, error.status, errorBody(error, exchange.requestId), fields, closes);
  }

  #send(
    exchange: Exchange,
    status: number,
    body: string,
    extra: readonly string[],
    close: boolean,
    type = "application/json",
  ): void {
    const { req, res } = exchange;
    if (res.destroyed || res.headersSent) return void res.destroy();
    const { unread } = exchange;
    const fields = [
      "content-type",
      type,
      "content-length",
      String(Buffer.byteLength(body)),
      "x-content-type-options",
      "nosniff",
      "x-request-id",
      exchange.requestId,
      ...extra,
    ];
    pushRateFields(fields, exchange);
    if (exchange.cors !== null) fields.push(...exchange.cors);
    if (close || unread) fields.push("connection", "close");
    res.writeHead(status, fields);
    if (req.method === "HEAD") return void res.end();
    if (!unread) return this.#deliveries.endText(res, body);
    res.write(body);
    linger(req, () => {
      res.end();
      this.#deliveries.watch(res);
    });
  }
}

/** `WWW-Authenticate` as RFC 6750 section 3 wants it: no error code when no credentials were given. */
function bearerChallenge(error: GatewayError): string | undefined {
  const parameter = BEARER_ERRORS[error.code];
  if (parameter === undefined) return undefined;
  return parameter === ""
    ? CHALLENGE
    : `${CHALLENGE}, error="${parameter}", error_description="${described(error.details)}"`;
}

const CHALLENGE = `Bearer realm="${REALM}"`;
const BEARER_ERRORS: Partial<Record<ErrorCode, string>> = {
  AUTH_001: "invalid_token",
  AUTH_002: "",
  AUTH_003: "insufficient_scope",
  AUTH_004: "insufficient_scope",
  AUTH_005: "invalid_request",
};

/** Only what RFC 6750 allows in an error_description. */
function described(details: string): string {
  return details.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, " ");
}

const NO_STORE: readonly string[] = ["cache-control", "no-store"];
