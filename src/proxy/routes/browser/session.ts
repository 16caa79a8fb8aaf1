import type { Caller } from "../../../auth/caller.ts";
import type { SessionCredential } from "../../../auth/credentials/session.ts";
import { sessionCookie } from "../../../auth/session-text.ts";
import type { Session } from "../../../domain/credential/session.ts";
import type { Snapshot } from "../../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../../errors.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Head } from "../../request/head.ts";
import type { Responder } from "../../request/respond.ts";
import type { SessionKeeper } from "./keeper.ts";

export interface SessionRouteOptions {
  readonly credential: SessionCredential;
  readonly keeper: SessionKeeper;
  readonly snapshot: () => Snapshot;
  readonly responder: Responder;
  /** How long a session may go unused, ms. */
  readonly idleMs: number;
}

/** `/api/v1/session`: a browser exchanges a token for a session, sees it, and ends it. */
export class SessionRoute {
  readonly #o: SessionRouteOptions;

  constructor(options: SessionRouteOptions) {
    this.#o = options;
  }

  serve(exchange: Exchange, head: Head, caller: Caller): Promise<void> | undefined {
    exchange.route = "api";
    switch (exchange.method) {
      case "POST":
        return this.#open(exchange, head, caller);
      case "DELETE":
        return this.#close(exchange, caller);
      default:
        this.#show(exchange, caller);
        return undefined;
    }
  }

  /** A new one each time, whatever the browser has: what it had before ends. */
  async #open(exchange: Exchange, head: Head, { principal }: Caller): Promise<void> {
    const { credential, keeper, snapshot } = this.#o;
    if (principal.credential !== "token" && principal.credential !== "key") {
      throw new GatewayError("AUTH_012", { details: `What speaks for you is a ${principal.credential}` });
    }
    allow(exchange, principal.role);
    const before = credential.find(head, snapshot());
    const { id, text, hash } = credential.issue();
    const secure = exchange.scheme === "https";
    const replaces = before?.tokenId ?? null;
    const session = await keeper.open({ id, hash, principal, secure, replaces, address: exchange.address });
    const seconds = Math.max(1, Math.floor((session.expiresAt - Date.now()) / 1000));
    this.#answer(exchange, 201, session, sessionCookie(text, { secure, seconds }));
  }

  #show(exchange: Exchange, { principal }: Caller): void {
    const session = this.#o.snapshot().sessions.get(principal.tokenId);
    if (session === undefined) throw noSession();
    allow(exchange, principal.role);
    this.#answer(exchange, 200, session, null);
  }

  async #close(exchange: Exchange, { principal }: Caller): Promise<void> {
    const session = this.#o.snapshot().sessions.get(principal.tokenId);
    if (session === undefined) throw noSession();
    allow(exchange, principal.role);
    await this.#o.keeper.close(session.id, session.subject);
    const gone = sessionCookie("", { secure: session.secure, seconds: 0 });
    this.#o.responder.fields(exchange, 204, ["set-cookie", gone, "cache-control", "no-store"]);
  }

  #answer(exchange: Exchange, status: number, session: Session, cookie: string | null): void {
    const { id, subject, role, sandboxes, operations, createdAt, expiresAt } = session;
    const body = JSON.stringify({
      session_id: id,
      subject,
      role,
      sandboxes,
      operations,
      created_at: new Date(createdAt).toISOString(),
      expires_at: new Date(expiresAt).toISOString(),
      idle_timeout_ms: this.#o.idleMs,
    });
    const fields = cookie === null ? [] : ["set-cookie", cookie];
    this.#o.responder.json(exchange, status, body, ["cache-control", "no-store", ...fields]);
  }
}

function allow(exchange: Exchange, role: string): void {
  exchange.decision = "allow";
  exchange.rule = `role:${role}`;
}

function noSession(): GatewayError {
  return new GatewayError("ROUTE_017", {
    details: "You call without a session",
    remediation: "Open one: POST /api/v1/session with a token",
  });
}
