import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Authenticator } from "../../auth/authenticate.ts";
import type { Caller } from "../../auth/caller.ts";
import { repeatsToken } from "../../auth/credentials/token.ts";
import { type IpAccess, type Peer, schemeOf } from "../../auth/ip-access.ts";
import type { ConnectionCap } from "../../limits/connections.ts";
import type { Lockout } from "../../limits/rate/lockout.ts";
import type { NarrowLimits } from "../../limits/rate/narrow-limits.ts";
import type { RateLimits } from "../../limits/rate/rate-limits.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../errors.ts";
import type { MetricLane } from "../../observe/metric-slots.ts";
import { Exchange } from "../request/exchange.ts";
import { checkHead, type HeadLimits, type Head } from "../request/head.ts";
import type { InFlight } from "../request/in-flight.ts";
import type { ExecuteRoute } from "./execute.ts";
import type { HealthPages } from "./health.ts";
import type { HostSuffix } from "./host.ts";
import type { Responder } from "../request/respond.ts";
import type { Preflights } from "./preflight/preflights.ts";
import type { HostForm } from "./browser/host-form.ts";
import type { SessionRoute } from "./browser/session.ts";
import { checkSameOrigin } from "./browser/same-origin.ts";
import { JWKS_CACHE, jwkSet } from "./jwks.ts";
import { JWKS_PAGE, openPage, opensSession, type OpenPage, type Route, route } from "./router.ts";
import type { SandboxesRoute } from "./sandboxes.ts";
import type { TicketsRoute } from "./links/tickets.ts";
import type { TransparentRoute } from "./transparent.ts";
import { isSecure, type PeerSocket } from "../request/peer-socket.ts";

export interface PipelineOptions {
  readonly snapshot: () => Snapshot;
  readonly inFlight: InFlight<Exchange>;
  readonly headLimits: HeadLimits;
  /** Of hosts that are sandboxes'. */
  readonly hostSuffix: HostSuffix;
  readonly access: IpAccess;
  readonly connections: ConnectionCap;
  /** null: authentication is off and everybody is `anonymous`. */
  readonly authenticator: Authenticator | null;
  readonly anonymous: Caller;
  /** null: no rate limits. */
  readonly rates: RateLimits | null;
  readonly narrow: NarrowLimits | null;
  /** null: nobody is locked out. */
  readonly lockout: Lockout | null;
  readonly transparent: TransparentRoute;
  readonly preflights: Preflights;
  readonly execute: ExecuteRoute;
  readonly sandboxes: SandboxesRoute;
  readonly tickets: TicketsRoute;
  readonly session: SessionRoute;
  /** null: sandboxes have no hosts, or browsers are not sent there. */
  readonly hostForm: HostForm | null;
  readonly responder: Responder;
  readonly health: HealthPages;
  readonly lane: MetricLane;
  /** No record can be written, and so no call is taken. */
  readonly refusesUnrecorded: () => boolean;
  readonly draining: () => boolean;
}

/**
 * The way of a request: check the head → authenticate → limit → authorize → validate → resolve → dispatch → record.
 * `handle` and what it calls show it up to the caller, a file of its own for each endpoint from there; a request whose token is known runs through without waiting once.
 */
export class Pipeline {
  readonly #o: PipelineOptions;
  readonly #idPrefix = `req_${randomBytes(6).toString("hex")}`;
  #served = 0;

  constructor(options: PipelineOptions) {
    this.#o = options;
  }

  newRequestId(): string {
    this.#served += 1;
    return this.#idPrefix + this.#served.toString(36).padStart(6, "0");
  }

  /** Never throws: every failure becomes an answer. What needs not wait is done when it returns. */
  handle(req: IncomingMessage, res: ServerResponse): void {
    const exchange = new Exchange(req, res, this.newRequestId(), this.#o.inFlight);
    const socket: PeerSocket = req.socket;
    socket.exchange = exchange;
    res.once("close", () => {
      if (socket.exchange === exchange) socket.exchange = undefined; // an idle connection must not hold on to it
      exchange.closed();
    });
    try {
      this.#begin(exchange, socket)?.catch((error: unknown) => this.#refuse(exchange, error));
    } catch (error) {
      this.#refuse(exchange, error);
    }
  }

  #begin(exchange: Exchange, socket: PeerSocket): Promise<void> | undefined {
    const { req, res } = exchange;
    if (this.#o.draining()) res.shouldKeepAlive = false;
    const head = checkHead(req, this.#o.headLimits);
    exchange.head = head;
    const nearest = socket.peer as Peer;
    const peer = this.#o.access.client(nearest, head.forwardedFor);
    exchange.scheme = schemeOf(nearest, head.forwardedProto, isSecure(socket));
    exchange.address = peer.address;
    if (!peer.allowed) throw new GatewayError("AUTH_006");
    if (peer !== nearest) this.#o.connections.admitRequest(res, peer);
    const page = openPage(exchange.method, head, this.#o.hostSuffix, this.#o.snapshot().routes);
    if (page !== undefined) {
      this.#show(exchange, page);
      return undefined;
    }
    if (this.#o.refusesUnrecorded()) throw new GatewayError("GW_003", { retryAfter: 5 });
    const now = process.hrtime.bigint();
    this.#o.rates?.admit(peer.rateKey, now);
    const preflight = exchange.method === "OPTIONS" ? this.#o.preflights.find(exchange, head) : null;
    if (preflight !== null) return this.#o.preflights.serve(exchange, head, preflight);
    const { hostSuffix, hostForm } = this.#o;
    if (head.pass !== undefined && hostForm?.takes(exchange, head) === true) return undefined;
    const opens = opensSession(exchange.method, head, hostSuffix, this.#o.snapshot().routes);
    const shown = opens ? { ...head, cookie: undefined } : head;
    const known = this.#known(shown);
    if (known !== undefined) return this.#goOn(exchange, head, known, peer, now);
    this.#o.lockout?.check(peer.rateKey, now);
    return this.#verify(shown, peer).then((caller) => this.#goOn(exchange, head, caller, peer, now));
  }

  #show(exchange: Exchange, page: OpenPage): void {
    exchange.route = "health";
    if (page === JWKS_PAGE) {
      this.#o.responder.json(exchange, 200, jwkSet(this.#o.snapshot(), Date.now()), ["cache-control", JWKS_CACHE]);
      return;
    }
    const { status, body } = this.#o.health.render(page);
    this.#o.responder.json(exchange, status, body);
  }

  #goOn(exchange: Exchange, head: Head, caller: Caller, peer: Peer, now: bigint): Promise<void> | undefined {
    exchange.standing = caller.standing;
    if (caller.ambient) checkSameOrigin(exchange, head, caller.principal);
    const where = this.#route(exchange, head, caller, peer, now);
    if (head.sandboxToken === undefined) return this.#serve(exchange, head, caller, where);
    return this.#passesAuthorization(head).then((passes) => {
      exchange.passesAuthorization = passes;
      return this.#serve(exchange, head, caller, where);
    });
  }

  #serve(exchange: Exchange, head: Head, caller: Caller, where: Route): Promise<void> | undefined {
    switch (where.kind) {
      case "proxy":
        if (
          (caller.ambient || caller.principal.scope !== null) &&
          this.#o.hostForm?.sends(exchange, head, caller, where) === true
        )
          return undefined;
        return this.#o.transparent.serve(exchange, head, caller, where);
      case "select":
        return this.#o.transparent.serveSelected(exchange, head, caller, where);
      case "execute":
        return this.#o.execute.serve(exchange, head, caller);
      case "sandboxes":
        this.#o.sandboxes.serve(exchange, caller);
        return undefined;
      case "tickets":
        return this.#o.tickets.serve(exchange, head, caller);
      case "session":
        return this.#o.session.serve(exchange, head, caller);
      case "none":
        throw new GatewayError("ROUTE_002");
    }
  }

  /**
   * Where the request goes, when its caller has not had too many of that kind. Nobody in particular has no limit of its own:
   * everybody would share it.
   * @throws GatewayError RATE_001, and what the router throws; a request that goes nowhere counts too.
   */
  #route(exchange: Exchange, head: Head, caller: Caller, peer: Peer, now: bigint): Route {
    let where: Route | undefined;
    try {
      where = route(exchange.method, head, this.#o.hostSuffix, this.#o.snapshot(), caller.standing);
      return where;
    } finally {
      if (caller !== this.#o.anonymous) {
        const proxied = where?.kind === "proxy" || where?.kind === "select";
        const key = proxied ? caller.proxyRateKey : caller.rateKey;
        this.#o.rates?.admitCaller(proxied ? "proxy" : "api", key, peer.rateKey, now, exchange);
        this.#o.narrow?.admitRole(caller.principal.role, caller.rateKey, now, exchange);
      }
    }
  }

  /** What is refused before it is known whose it is, a page of another origin may read all the same. */
  #refuse(exchange: Exchange, error: unknown): void {
    const { head, cors } = exchange;
    if (head !== undefined) exchange.cors = cors ?? this.#o.preflights.policyOf(exchange, head);
    this.#o.responder.error(exchange, error);
  }

  #known(head: Head): Caller | undefined {
    const { authenticator } = this.#o;
    if (authenticator === null) return this.#o.anonymous;
    const caller = authenticator.known(head, this.#o.snapshot());
    if (caller !== undefined) this.#o.lane.authSuccess();
    return caller;
  }

  /** @throws GatewayError AUTH_005 */
  async #passesAuthorization(head: Head): Promise<boolean> {
    const { authenticator } = this.#o;
    return authenticator === null ? !repeatsToken(head) : authenticator.passesAuthorization(head, this.#o.snapshot());
  }

  async #verify(head: Head, peer: Peer): Promise<Caller> {
    const authenticator = this.#o.authenticator as Authenticator;
    try {
      const caller = await authenticator.verify(head, this.#o.snapshot);
      this.#o.lane.authSuccess();
      return caller;
    } catch (error) {
      if (isGuess(head, error)) this.#failed(peer);
      throw error;
    }
  }

  #failed({ rateKey }: Peer): void {
    const now = process.hrtime.bigint();
    this.#o.rates?.failed(rateKey, now);
    this.#o.lockout?.failed(rateKey, now);
  }
}

/**
 * Whether somebody has shown what is nobody's, on purpose. What has expired or was revoked was once good: who still has it does
 * not guess; nor does a browser that still has the cookie of a session that has ended.
 */
function isGuess({ authorization, sandboxToken, link, ticket }: Head, error: unknown): boolean {
  if ((authorization ?? sandboxToken ?? link ?? ticket) === undefined) return false;
  return error instanceof GatewayError && error.code === "AUTH_001" && error.reason === undefined;
}
