// Nouns as the command line prints them: JSON is snake_case with RFC 3339 times, and stable.
import type { Instance, Sandbox } from "../domain/sandbox.ts";
import type { TokenRecord } from "../domain/token.ts";
import { timestamp } from "./output.ts";

export type TokenStatus = "active" | "expired" | "revoked";

export function tokenStatus(token: TokenRecord, now: number): TokenStatus {
  if (token.revokedAt !== null) return "revoked";
  return token.expiresAt <= now ? "expired" : "active";
}

/** Without the hash: nobody needs it, and what is not printed does not leak. */
export function tokenView(token: TokenRecord, now: number): Record<string, unknown> {
  return {
    id: token.id,
    subject: token.subject,
    role: token.role,
    sandboxes: token.sandboxes,
    operations: token.operations,
    status: tokenStatus(token, now),
    created_at: timestamp(token.createdAt),
    expires_at: timestamp(token.expiresAt),
    revoked_at: token.revokedAt === null ? null : timestamp(token.revokedAt),
  };
}

export function sandboxView(sandbox: Sandbox): Record<string, unknown> {
  const { id, runtime, driver, strategy, createdAt, instances } = sandbox;
  return { id, runtime, driver, strategy, created_at: timestamp(createdAt), instances: instances.map(instanceView) };
}

export function instanceView({ id, sandboxId, url, number }: Instance): Record<string, unknown> {
  return { id, sandbox_id: sandboxId, url, number };
}

/** A narrowing as a table cell. */
export function narrowed(names: readonly string[] | null): string {
  return names === null ? "*" : names.join(",") || "none";
}
