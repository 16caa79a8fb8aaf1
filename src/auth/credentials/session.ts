import { timingSafeEqual } from "node:crypto";
import type { Session } from "../../domain/credential/session.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../errors.ts";
import { newSessionText, sessionCookies, type ShownSession, shownSessions } from "../session-text.ts";
import { Standing } from "../standing.ts";
import { tokenHash } from "../tokens/issue.ts";
import type { CredentialFields, CredentialKind } from "./credential.ts";

/** A session, in its cookie. An application can set others of that name beside it: the one that is good counts. */
export class SessionCredential implements CredentialKind {
  readonly name = "session";
  readonly ambient = true;
  readonly keepsUse = true;
  readonly once = false;
  readonly #hashKey: Uint8Array;

  /** `hashKey`: under which sessions are stored. */
  constructor(hashKey: Uint8Array) {
    this.#hashKey = hashKey;
  }

  shown({ cookie }: CredentialFields): string | undefined {
    return cookie === undefined ? undefined : sessionCookies(cookie);
  }

  /** A new one: what its cookie says, and what is kept of that. */
  issue(): { readonly id: string; readonly text: string; readonly hash: string } {
    const { id, text } = newSessionText();
    return { id, text, hash: tokenHash(this.#hashKey, text) };
  }

  /** Whose session a request shows, whoever calls; undefined when it shows none that is good. */
  find({ cookie }: Pick<CredentialFields, "cookie">, snapshot: Snapshot): Principal | undefined {
    const cookies = cookie === undefined ? undefined : sessionCookies(cookie);
    return cookies === undefined ? undefined : this.#goodOne(cookies, snapshot);
  }

  async verify(cookies: string, snapshot: Snapshot): Promise<Principal> {
    const principal = this.#goodOne(cookies, snapshot);
    if (principal !== undefined) return principal;
    throw new GatewayError("AUTH_001", {
      details: "Session has ended",
      remediation: "Open another one: POST /api/v1/session with a token",
    });
  }

  /** By its form alone. */
  isOurs(cookies: string): Promise<boolean> {
    return Promise.resolve(cookies !== "");
  }

  #goodOne(cookies: string, snapshot: Snapshot): Principal | undefined {
    for (const shown of shownSessions(cookies)) {
      const principal = this.#principalOf(shown, snapshot);
      if (principal !== undefined) return principal;
    }
    return undefined;
  }

  #principalOf({ id, text, secure }: ShownSession, snapshot: Snapshot): Principal | undefined {
    const session = snapshot.sessions.get(id);
    if (session === undefined || session.secure !== secure) return undefined;
    const hash = tokenHash(this.#hashKey, text);
    if (!timingSafeEqual(Buffer.from(hash), Buffer.from(session.hash))) return undefined;
    const principal = principalOf(session);
    try {
      new Standing(principal).check(snapshot);
      return principal;
    } catch {
      return undefined; // taken back: perhaps another one is good
    }
  }
}

function principalOf({
  id,
  subject,
  role,
  grantedBy,
  keyId,
  issuedAt,
  sandboxes,
  operations,
  expiresAt,
}: Session): Principal {
  return {
    subject,
    role,
    credential: "session",
    tokenId: id,
    grantedBy,
    keyId,
    issuedAt,
    sandboxes,
    operations,
    scope: null,
    expiresAt,
  };
}
