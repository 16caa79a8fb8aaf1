import { createHmac, timingSafeEqual } from "node:crypto";
import type { Session } from "../../domain/credential/session.ts";
import { maySee, type Principal } from "../../domain/principal.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../errors.ts";
import { claimed, isProven, proven } from "../proven-text.ts";
import { newSessionText, sessionCookies, type ShownSession, shownSessions } from "../session-text.ts";
import { Standing } from "../standing.ts";
import { tokenHash } from "../tokens/issue.ts";
import type { CredentialFields, CredentialKind } from "./credential.ts";

/** A session at a sandbox's own host. */
export interface Arrived {
  readonly principal: Principal;
  readonly session: Session;
  /** What its cookie says there. */
  readonly text: string;
}

/** How long the way to a sandbox's own host may take, ms. */
const PASS_MS = 30_000;

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

  /** With this a browser goes to a sandbox's own host, which its cookie does not reach. `now`: ms since the epoch. */
  pass(sessionId: string, sandboxId: string, now: number): string {
    return proven(this.#passKey(), [sessionId, sandboxId, now + PASS_MS]);
  }

  /**
   * The session that comes with a pass to a sandbox's host, and what its cookie says there: it opens that sandbox, and nothing
   * else. Undefined when the pass is not one, not for there, or too late.
   */
  arrived(pass: string, sandboxId: string, snapshot: Snapshot, now: number): Arrived | undefined {
    const claims = isProven(this.#passKey(), pass) ? claimed(pass) : undefined;
    if (!Array.isArray(claims) || claims[1] !== sandboxId || !(claims[2] > now)) return undefined;
    const session = snapshot.sessions.get(String(claims[0]));
    if (session === undefined) return undefined;
    const text = `${session.id}.${this.#hostProof(session, sandboxId)}.${sandboxId}`;
    const { id, secure } = session;
    const principal = this.#principalOf({ id, text, secure, sandboxId }, snapshot);
    return principal && { principal, session, text };
  }

  #passKey(): Buffer {
    return createHmac("sha256", this.#hashKey).update("sandboxgw passes").digest();
  }

  /** What nobody can say of a session who has not been there with it. */
  #hostProof({ id, hash }: Session, sandboxId: string): string {
    return createHmac("sha256", this.#hashKey).update(`sandboxgw host ${id} ${hash} ${sandboxId}`).digest("base64url");
  }

  #goodOne(cookies: string, snapshot: Snapshot): Principal | undefined {
    for (const shown of shownSessions(cookies)) {
      const principal = this.#principalOf(shown, snapshot);
      if (principal !== undefined) return principal;
    }
    return undefined;
  }

  #principalOf({ id, text, secure, sandboxId }: ShownSession, snapshot: Snapshot): Principal | undefined {
    const session = snapshot.sessions.get(id);
    if (session === undefined || session.secure !== secure) return undefined;
    const [shown, kept] =
      sandboxId === null
        ? [tokenHash(this.#hashKey, text), session.hash]
        : [text, `${id}.${this.#hostProof(session, sandboxId)}.${sandboxId}`];
    if (!timingSafeEqual(Buffer.from(shown), Buffer.from(kept))) return undefined;
    const own = principalOf(session);
    if (sandboxId !== null && !maySee(own, sandboxId)) return undefined;
    const principal = sandboxId === null ? own : { ...own, sandboxes: [sandboxId] };
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
