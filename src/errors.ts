// What the gateway's errors are made of, and what they mean in a shell and in the audit record; what they say stands in the table.

import { ERRORS } from "./errors/table.ts";

export { ERRORS } from "./errors/table.ts";

/** What the gateway knows about the sandbox's side of a failed call: `maybe` means "do not repeat blindly". */
export type Executed = "no" | "maybe" | "yes";

/** Exit codes of the command line; the README and `--help` list them. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  config: 3,
  auth: 4,
  notFound: 5,
  conflict: 6,
  unreachable: 7,
  checkFailed: 8,
  interrupted: 130,
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** Every code in a fixed order: shared-memory counters use the position as index. */
export const ERROR_CODES = Object.keys(ERRORS) as readonly ErrorCode[];

const EXIT_BY_CODE: Partial<Record<ErrorCode, number>> = {
  AUTH_001: EXIT.auth,
  AUTH_002: EXIT.auth,
  AUTH_003: EXIT.auth,
  AUTH_004: EXIT.auth,
  AUTH_010: EXIT.auth,
  VAL_003: EXIT.usage,
  VAL_010: EXIT.usage,
  VAL_011: EXIT.usage,
  ROUTE_001: EXIT.notFound,
  ROUTE_005: EXIT.notFound,
  ROUTE_006: EXIT.notFound,
  ROUTE_009: EXIT.notFound,
  ROUTE_011: EXIT.notFound,
  ROUTE_013: EXIT.notFound,
  ROUTE_014: EXIT.notFound,
  ROUTE_015: EXIT.notFound,
  ROUTE_016: EXIT.notFound,
  ROUTE_017: EXIT.notFound,
  GW_014: EXIT.notFound,
  ROUTE_004: EXIT.conflict,
  ROUTE_012: EXIT.conflict,
  ROUTE_018: EXIT.conflict,
  GW_004: EXIT.conflict,
  GW_011: EXIT.checkFailed,
  GW_015: EXIT.checkFailed,
  GW_012: EXIT.config,
  GW_021: EXIT.config,
  GW_016: EXIT.unreachable,
  GW_017: EXIT.unreachable,
  GW_018: EXIT.config,
  GW_019: EXIT.conflict,
};

/**
 * What the audit record keeps of a call that was refused with a code before it was admitted:
 * `each`: a record of every one. `few`: of the first ones of an address in a second, of the others how many there were.
 * `summed`: how many there were, by caller and address. `counted`: nothing, only the metrics have it, and only while
 * nobody was authenticated: these cost a stranger nothing and say nothing of anybody.
 */
export type Audited = "each" | "few" | "summed" | "counted";

const AUDITED: Partial<Record<ErrorCode, Audited>> = {
  AUTH_001: "few",
  AUTH_002: "few",
  AUTH_005: "few",
  AUTH_006: "summed",
  AUTH_014: "summed",
  AUTH_009: "few",
  RATE_001: "summed",
  RATE_002: "summed",
  RATE_003: "counted",
  RATE_006: "counted",
  RATE_004: "summed",
  RATE_005: "summed",
  RATE_007: "summed",
  RATE_008: "summed",
  VAL_001: "counted",
  VAL_006: "counted",
  VAL_007: "counted",
  VAL_008: "counted",
  VAL_009: "counted",
  ROUTE_003: "counted",
  ROUTE_008: "counted",
  GW_002: "counted",
  GW_003: "counted",
};

export function auditedAs(code: ErrorCode): Audited {
  return AUDITED[code] ?? "each";
}

/** Why a token that was good is no longer. */
export type Reason = "expired" | "revoked";

export interface GatewayErrorOptions {
  /** What exactly was wrong this time. Never contains a secret. */
  details?: string;
  /** The same as one word for the metrics, where they tell more than the code does. */
  reason?: Reason | undefined;
  /** What to do about it this time, where more is known than the code's own remediation says. */
  remediation?: string | undefined;
  /** What happened on the sandbox's side; default `no`. */
  executed?: Executed;
  /** Seconds to wait before repeating, for Retry-After; only where nothing was executed. */
  retryAfter?: number | undefined;
  /** Extra response header fields (`WWW-Authenticate`, `Allow`, `RateLimit`). */
  headers?: Readonly<Record<string, string>> | undefined;
  cause?: unknown;
}

/**
 * The one error type that crosses module boundaries. Match on `code`; `cause` keeps the original.
 * Refusals are normal traffic, so the stack is only captured for internal errors (GW_001): it costs more than
 * the whole rest of a refused request.
 */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: ErrorCode;
  readonly details: string;
  readonly reason: Reason | undefined;
  readonly remediation: string;
  readonly executed: Executed;
  readonly retryAfter: number | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;

  constructor(code: ErrorCode, options: GatewayErrorOptions = {}) {
    const limit = Error.stackTraceLimit;
    if (code !== "GW_001") Error.stackTraceLimit = 0;
    super(options.details ?? ERRORS[code].message, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = limit;
    this.code = code;
    this.details = options.details ?? "";
    this.reason = options.reason;
    this.remediation = options.remediation ?? ERRORS[code].remediation;
    this.executed = options.executed ?? "no";
    this.retryAfter = options.retryAfter;
    this.headers = options.headers;
  }

  /** The same error with what is known better of the sandbox's side. */
  withExecuted(executed: Executed): GatewayError {
    if (executed === this.executed) return this;
    const { details, reason, remediation, retryAfter, headers, cause } = this;
    return new GatewayError(this.code, { details, reason, remediation, executed, retryAfter, headers, cause });
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get exitCode(): number {
    return EXIT_BY_CODE[this.code] ?? EXIT.failure;
  }
}

/** Any thrown value as a GatewayError; what is not one becomes GW_001 with the original as cause. */
export function asGatewayError(thrown: unknown): GatewayError {
  return thrown instanceof GatewayError ? thrown : new GatewayError("GW_001", { cause: thrown });
}

/** The contract's envelope: `{"error":{…}}` as a JSON text. */
export function errorBody(error: GatewayError, requestId: string): string {
  const known = ERRORS[error.code];
  return JSON.stringify({
    error: {
      code: error.code,
      message: known.message,
      details: error.details,
      remediation: error.remediation,
      retryable: known.retryable && error.executed === "no",
      executed: error.executed,
      request_id: requestId,
    },
  });
}

/** True for a system error with this code (`ENOENT`, …). */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
