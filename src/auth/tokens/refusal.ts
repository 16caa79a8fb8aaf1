import { GatewayError } from "../../errors.ts";

export function malformed(): GatewayError {
  return invalid("Token is malformed");
}

export function invalid(details: string, cause?: unknown): GatewayError {
  const reason = codeOf(cause) === "ERR_JWT_EXPIRED" ? "expired" : undefined;
  return new GatewayError("AUTH_001", { details, reason, cause });
}

/** Why jose has not verified a token. */
export function notVerified(error: unknown): GatewayError {
  return invalid(reasonOf(error), error);
}

const TIME_AND_PLACE: Readonly<Record<string, string>> = {
  iss: "Wrong issuer",
  aud: "Wrong audience",
  nbf: "Token is not valid yet",
};

/** jose's errors are a tagged union; `claim` and `reason` are set on those about claims. */
function reasonOf(error: unknown): string {
  const { claim, reason } = error as { claim?: unknown; reason?: unknown };
  const code = codeOf(error);
  if (code === "ERR_JWT_EXPIRED") return "Token has expired";
  if (code === "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") return "Signature does not match";
  if (code !== "ERR_JWT_CLAIM_VALIDATION_FAILED" || typeof claim !== "string") return "Token is malformed";
  if (reason === "missing") return `Claim ${claim} is missing`;
  return (reason === "check_failed" ? TIME_AND_PLACE[claim] : undefined) ?? `Claim ${claim} is not valid`;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
}
