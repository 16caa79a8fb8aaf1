import { type NewSession, type SessionEnd, type SessionRecord, sessionOf } from "../../domain/credential/session.ts";
import type { Config } from "../../config/schema.ts";
import { GatewayError } from "../../errors.ts";
import type { StateStore } from "../../store/store.ts";
import { type Actor, type Control, check, quoted, type Step } from "../control.ts";
import { isSubject } from "./tokens.ts";

export type SessionLimits = Pick<Config, "SESSION_IDLE_TIMEOUT" | "SESSION_MAX_AGE" | "SESSION_MAX_PER_SUBJECT">;

/** Last uses are told this late at most, ms. */
export const USE_TOLD_WITHIN_MS = 30_000;

/** Sessions that one transaction ends at most. */
const BATCH = 500;

export class SessionVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "sessions">;
  readonly #limits: () => SessionLimits;
  readonly #now: () => number;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "sessions">;
    limits: () => SessionLimits;
    now: () => number;
  }) {
    this.#control = options.control;
    this.#store = options.store;
    this.#limits = options.limits;
    this.#now = options.now;
  }

  /** Open ones, newest first. `subject`: only the subject's; null = all. */
  async list(_actor: Actor, { subject }: { subject: string | null }): Promise<SessionRecord[]> {
    const { sessions } = this.#store;
    const now = this.#now();
    const all = subject === null ? await sessions.list() : await sessions.listOf(subject);
    return all.filter(({ expiresAt }) => expiresAt > now);
  }

  /** Opens a session, which may do what the principal may, and lives no longer; the subject's oldest ends where there are too many. */
  async open(actor: Actor, wanted: NewSession): Promise<{ session: SessionRecord; revision: number }> {
    const { id, hash, principal, secure, replaces, address } = wanted;
    const { subject, role, sandboxes, operations, tokenId: grantedBy, keyId, issuedAt } = principal;
    const { SESSION_MAX_AGE, SESSION_MAX_PER_SUBJECT } = this.#limits();
    return await this.#control.write(actor, async (step) => {
      const { now } = step;
      const expiresAt = Math.min(now + SESSION_MAX_AGE, principal.expiresAt);
      const told = { subject, role, sandboxes, operations, grantedBy };
      const session = { id, hash, ...told, keyId, issuedAt, createdAt: now, expiresAt, lastUsedAt: now, secure };
      const before = replaces === null ? undefined : await step.sessions.find(replaces);
      if (before !== undefined) await end(step, before, "replaced");
      const others = await step.sessions.listOf(subject);
      for (const oldest of others.slice(SESSION_MAX_PER_SUBJECT - 1)) await end(step, oldest, "crowded out");
      await step.sessions.create(session);
      const revision = await step.announce({ kind: "session.opened", session: sessionOf(session) });
      const { sandboxes: boxes, operations: ops } = told;
      step.record("session.create", id, {
        subject,
        role,
        sandboxes: boxes,
        operations: ops,
        granted_by: grantedBy,
        address,
        expires_at_ms: expiresAt,
      });
      return { session, revision };
    });
  }

  /** Ends a session at once. @throws GatewayError ROUTE_017 */
  end(actor: Actor, id: string, reason: SessionEnd): Promise<{ session: SessionRecord; revision: number }> {
    return this.#control.write(actor, async (step) => {
      const session = await step.sessions.find(id);
      if (session === undefined) throw new GatewayError("ROUTE_017", { details: id });
      return { session, revision: await end(step, session, reason) };
    });
  }

  /** Ends all that a subject has open, at once. */
  async killOf(actor: Actor, subject: string): Promise<{ sessions: SessionRecord[]; revision: number }> {
    check(isSubject(subject), `subject ${quoted(subject)}: expected 1 to 128 printable characters`);
    return await this.#control.write(actor, async (step) => {
      const sessions = await step.sessions.listOf(subject);
      for (const session of sessions) await end(step, session, "killed");
      return { sessions, revision: await step.revision() };
    });
  }

  /**
   * Ends what has expired or was not used for too long; `revoked`: and what stems from what was revoked, for which all of
   * them are looked at. Returns how many.
   */
  async endDue(actor: Actor, { revoked }: { revoked: boolean }): Promise<number> {
    const now = this.#now();
    const when = { now, unusedSince: now - this.#limits().SESSION_IDLE_TIMEOUT - USE_TOLD_WITHIN_MS, revoked };
    if ((await this.#store.sessions.due(when, 1)).length === 0) return 0;
    return await this.#control.write(actor, async (step) => {
      const due = await step.sessions.due(when, BATCH);
      for (const { session, reason } of due) await end(step, session, reason);
      return due.length;
    });
  }
}

async function end(step: Step, { id, subject, grantedBy }: SessionRecord, reason: SessionEnd): Promise<number> {
  await step.sessions.remove(id);
  step.record("session.end", id, { subject, granted_by: grantedBy, reason });
  return await step.announce({ kind: "session.ended", sessionId: id });
}
