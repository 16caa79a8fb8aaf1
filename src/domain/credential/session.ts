import type { Principal } from "../principal.ts";

/** What a browser goes on with in the place of the token that it showed once. Never more than that token, and never longer. */
export interface Session {
  /** `ses_…` */
  readonly id: string;
  /** HMAC-SHA-256 of what the cookie says under the data folder's own key, hex. */
  readonly hash: string;
  readonly subject: string;
  readonly role: string;
  readonly sandboxes: readonly string[] | null;
  readonly operations: readonly string[] | null;
  /** Id of the token or API key it was exchanged for. */
  readonly grantedBy: string;
  /** The key that signed that one, and when it was issued (ms since the epoch): what takes it back takes back the session. */
  readonly keyId: string | null;
  readonly issuedAt: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** It was opened over HTTPS: its cookie has the name that browsers keep from everybody else. */
  readonly secure: boolean;
}

export interface SessionRecord extends Session {
  /** Milliseconds since the epoch, to the minute. */
  readonly lastUsedAt: number;
}

/** A session that is to be opened. */
export interface NewSession {
  /** Made by who opens it: it is part of what the cookie says. */
  readonly id: string;
  readonly hash: string;
  /** Of the token or API key it is exchanged for. */
  readonly principal: Principal;
  readonly secure: boolean;
  /** The one that the same browser had before; null = none. */
  readonly replaces: string | null;
  /** Of who asks. */
  readonly address: string;
}

/** Why a session has ended. */
export type SessionEnd = "closed" | "killed" | "replaced" | "crowded out" | "expired" | "idle" | "revoked";

export type SessionChange =
  | { readonly kind: "session.opened"; readonly session: Session }
  | { readonly kind: "session.ended"; readonly sessionId: string };

/** The session with which a principal ends: its own, or that of who asked for its ticket; null when there is none. */
export function sessionIdOf({ credential, tokenId }: Principal): string | null {
  const mayBe = credential === "session" || credential === "ticket";
  return mayBe && tokenId.startsWith("ses_") ? tokenId : null;
}

/** A session as the data path has it. */
export function sessionOf(record: SessionRecord): Session {
  const { id, hash, subject, role, sandboxes, operations, grantedBy, keyId, issuedAt, createdAt, expiresAt, secure } =
    record;
  return { id, hash, subject, role, sandboxes, operations, grantedBy, keyId, issuedAt, createdAt, expiresAt, secure };
}
