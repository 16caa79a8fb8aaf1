import type { Scope } from "./credential/link.ts";

/** The kinds of what can speak for a principal; `none`: nothing has to. */
export type CredentialName = "token" | "key" | "session" | "link" | "ticket" | "certificate" | "none";

/** Who is calling. Immutable; made once per verified credential and shared by all its requests. */
export interface Principal {
  /** A token's `sub`. */
  readonly subject: string;
  /** A role's name: what it gives is in the snapshot. */
  readonly role: string;
  readonly credential: CredentialName;
  /** The credential's id: a token's `jti`; empty when there is none. */
  readonly tokenId: string;
  /** The token from which the credential stems, with which it is taken back; null = it stands for itself. */
  readonly grantedBy: string | null;
  /** The key of this gateway that has signed it, its `kid`; null = none has. */
  readonly keyId: string | null;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  /** Sandbox patterns this principal is narrowed to (`py-*`); null = all. */
  readonly sandboxes: readonly string[] | null;
  /** Operations this principal is narrowed to; null = all. A narrowed principal cannot use the transparent proxy. */
  readonly operations: readonly string[] | null;
  /** All that a link or ticket is for: raw HTTP to one sandbox, or to a part of it; null = narrowed in no such way. */
  readonly scope: Scope | null;
  /** End of validity, milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** True when `name` matches `pattern`, where `*` stands for any run of characters and nothing else is special. */
export function matchesPattern(pattern: string, name: string): boolean {
  const parts = pattern.split("*");
  const first = parts[0] as string;
  if (parts.length === 1) return pattern === name;
  const last = parts[parts.length - 1] as string;
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

export function maySee(principal: Principal, sandboxId: string): boolean {
  return principal.sandboxes === null || principal.sandboxes.some((pattern) => matchesPattern(pattern, sandboxId));
}

/** A principal for whom nothing speaks and nothing has to. */
export function withoutCredential(subject: string, role: string): Principal {
  return {
    subject,
    role,
    credential: "none",
    tokenId: "",
    grantedBy: null,
    keyId: null,
    issuedAt: 0,
    sandboxes: null,
    operations: null,
    scope: null,
    expiresAt: Number.POSITIVE_INFINITY,
  };
}
