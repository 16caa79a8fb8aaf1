// What a failed attempt means to the client.

import { GatewayError } from "../../errors.ts";
import { CertificateRefused, TargetRefused } from "../upstream/reach/dial.ts";
import { ProtocolError } from "../upstream/upstream.ts";

/**
 * - `busy`: no connection to the instance came free; nothing was sent.
 * - `unreachable`: there was none to be had; nothing was sent.
 * - `broken`: it ended after the request had begun to be sent.
 * - `invalid`: what came back was not HTTP.
 */
export type FailureKind = "busy" | "unreachable" | "broken" | "invalid";

/** How one attempt ended without an answer. */
export interface Failure {
  readonly kind: FailureKind;
  readonly cause: Error;
}

/** `sent`: the attempt may have reached its instance. */
export function failureOf(cause: Error, sent: boolean): Failure {
  if (!sent) return { kind: "unreachable", cause };
  return { kind: cause instanceof ProtocolError ? "invalid" : "broken", cause };
}

export function noFreeConnection(): Failure {
  return { kind: "busy", cause: new Error("no connection came free in time") };
}

/** What the client is told of an answer that was not passed on, should the attempts after it fail. */
export function answeredUnavailable(status: number): Failure {
  return { kind: "broken", cause: Object.assign(new Error("unavailable"), { code: `status ${status}` }) };
}

export function connectTimedOut(): Failure {
  const cause = Object.assign(new Error("the instance did not accept in time"), { code: "ETIMEDOUT" });
  return { kind: "unreachable", cause };
}

/**
 * The last failure as the client is told it. `reached`: the failure of an earlier attempt that may have reached an instance;
 * then the call may have been executed, whatever became of the last attempt.
 */
export function failureError({ kind, cause }: Failure, reached: Failure | undefined): GatewayError {
  if (reached !== undefined) {
    const details = `${reason(reached.cause)}, then ${reason(cause)}`;
    return new GatewayError(kind === "invalid" ? "PROXY_004" : "PROXY_002", { details, executed: "maybe", cause });
  }
  const details = reason(cause);
  switch (kind) {
    case "busy":
      return new GatewayError("PROXY_007", { retryAfter: 1, cause });
    case "unreachable":
      if (cause instanceof TargetRefused) return new GatewayError("PROXY_008", { cause });
      if (cause instanceof CertificateRefused) return new GatewayError("PROXY_009", { details, cause });
      return new GatewayError("PROXY_001", { details, retryAfter: 1, cause });
    case "broken":
      return new GatewayError("PROXY_002", { details, executed: "maybe", cause });
    case "invalid":
      return new GatewayError("PROXY_004", { details, executed: "maybe", cause });
  }
}

/** What a client may know of an upstream error: no addresses, no paths. */
function reason(cause: Error): string {
  if (cause instanceof ProtocolError) return cause.message;
  if (cause instanceof TargetRefused) return "address not allowed";
  return "code" in cause && typeof cause.code === "string" ? cause.code : "connection failed";
}
