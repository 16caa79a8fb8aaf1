import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Authenticator, Caller } from "../auth/authenticate.ts";
import { authorize, authorizeOperation, authorizeProxy, findSandbox } from "../auth/authorize.ts";
import type { IpAccess, Peer } from "../auth/ip-access.ts";
import type { RateLimiter } from "../auth/rate-limit.ts";
import { maySee } from "../domain/principal.ts";
import type { Sandbox } from "../domain/sandbox.ts";
import type { Snapshot } from "../domain/snapshot.ts";
import { GatewayError } from "../errors.ts";
import { execute, executionFacts } from "../execution/execute.ts";
import type { MetricLane } from "../observe/metric-slots.ts";
import type { Runtime, RuntimeCall, RuntimeReply } from "../runtimes/runtime.ts";
import type { Strategy } from "./balance/strategy.ts";
import { checkBodyLength, readBody } from "./body.ts";
import { Collect } from "./collect.ts";
import type { ConcurrencyGate } from "./concurrency.ts";
import { Dispatch, type DispatchContext } from "./dispatch.ts";
import { Exchange } from "./exchange.ts";
import { Forward, type ForwardContext, outbound } from "./forward.ts";
import { checkHead, checkTrailers, type GateLimits, type Head } from "./gate.ts";
import type { HealthPages } from "./health-pages.ts";
import type { SharedBoard } from "./instance-board.ts";
import type { Responder } from "./respond.ts";
import { healthPage, route } from "./router.ts";
import type { PeerSocket } from "./server.ts";
import { checkContentType, parseExecute } from "./validate.ts";

export interface PipelineOptions {
  readonly snapshot: () => Snapshot;
  readonly gateLimits: GateLimits;
  readonly access: IpAccess;
  /** null: authentication is off and everybody is `anonymous`. */
  readonly authenticator: Authenticator | null;
  readonly anonymous: Caller;
  /** null: no rate limit. */
  readonly rateLimiter: RateLimiter | null;
  readonly ratePolicy: string;
  readonly gate: ConcurrencyGate;
  readonly runtimes: Readonly<Record<string, Runtime>>;
  readonly strategies: Readonly<Record<string, Strategy>>;
  readonly defaultStrategy: string;
  readonly dispatching: DispatchContext;
  readonly forwarding: ForwardContext;
  readonly responder: Responder;
  readonly health: HealthPages;
  readonly board: SharedBoard;
  readonly lane: MetricLane;
  readonly auditWorking: () => boolean;
  readonly draining: () => boolean;
  readonly maxBodySize: number;
  readonly maxResponseSize: number;
  readonly maxExecuteMs: number;
  readonly firstByteMs: number;
  readonly sendTimeoutMs: number;
}

/**
 * The way of a request: gate → authenticate → limit → authorize → validate → resolve → dispatch → record.
 * One function per kind of call shows its order; a request whose token is known runs through without waiting once.
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

  /** Never rejects: every failure becomes an answer. */
  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const exchange = new Exchange(req, res, this.newRequestId());
    const socket: PeerSocket = req.socket;
    socket.exchange = exchange;
    res.once("close", () => {
      if (socket.exchange === exchange) socket.exchange = undefined; // an idle connection must not hold on to it
      if (!exchange.recorded) exchange.cut(new GatewayError("PROXY_005", { executed: "maybe" }));
    });
    try {
      const head = checkHead(req, this.#o.gateLimits);
      exchange.head = head;
      const peer = this.#o.access.client(socket.peer as Peer, head.forwardedFor);
      exchange.address = peer.address;
      if (!peer.allowed) throw new GatewayError("AUTH_006");
      if (this.#o.draining()) res.shouldKeepAlive = false;
      const page = healthPage(exchange.method, head);
      if (page !== undefined) {
        exchange.route = "health";
        const { status, body } = this.#o.health.render(page);
        return this.#o.responder.json(exchange, status, body);
      }
      if (!this.#o.auditWorking()) throw new GatewayError("GW_003", { retryAfter: 5 });
      const now = process.hrtime.bigint();
      this.#limitAddress(peer, now);
      const caller = this.#known(head) ?? (await this.#verify(head));
      exchange.principal = caller.principal;
      this.#limitCaller(caller, peer, now);
      const waiting = this.#serve(exchange, head, caller);
      if (waiting !== undefined) await waiting;
    } catch (error) {
      this.#o.responder.error(exchange, error);
    }
  }

  #serve(exchange: Exchange, head: Head, caller: Caller): Promise<void> | undefined {
    const where = route(exchange.method, head);
    switch (where.kind) {
      case "proxy":
        return this.#proxy(exchange, head, caller, where.sandboxId, where.path);
      case "execute":
        return this.#execute(exchange, head, caller);
      case "sandboxes":
        this.#list(exchange, caller);
        return undefined;
      case "none":
        throw new GatewayError("ROUTE_002");
    }
  }

  #proxy(
    exchange: Exchange,
    head: Head,
    { principal }: Caller,
    sandboxId: string,
    path: string,
  ): Promise<void> | undefined {
    exchange.route = "proxy";
    exchange.sandboxId = sandboxId;
    authorize(principal, "sandbox:proxy");
    authorizeProxy(principal);
    const sandbox = findSandbox(this.#o.snapshot(), principal, sandboxId);
    checkBodyLength(head.bodyLength, this.#o.maxBodySize);
    this.#allow(exchange, sandbox);
    if (this.#o.gate.tryAcquire()) {
      exchange.slot = this.#o.gate;
      this.#forward(exchange, head, sandbox, path);
      return undefined;
    }
    return this.#waitForSlot(exchange).then(() => this.#forward(exchange, head, sandbox, path));
  }

  #forward(exchange: Exchange, head: Head, sandbox: Sandbox, path: string): void {
    if (head.expectsContinue) exchange.res.writeContinue();
    const forward = new Forward(exchange, this.#o.forwarding);
    forward.start(
      new Dispatch({
        context: this.#o.dispatching,
        exchange,
        sandbox,
        strategy: this.#strategy(sandbox),
        outbound: outbound(exchange, head, path, this.#o.forwarding),
        receiver: forward,
      }),
    );
  }

  async #execute(exchange: Exchange, head: Head, { principal }: Caller): Promise<void> {
    exchange.route = "execute";
    authorize(principal, "sandbox:execute");
    checkContentType(head.contentType);
    checkBodyLength(head.bodyLength, this.#o.maxBodySize);
    if (head.expectsContinue) exchange.res.writeContinue();
    const body = await readBody(exchange, { limit: this.#o.maxBodySize, timeoutMs: this.#o.sendTimeoutMs });
    exchange.bytesIn = body.length;
    checkTrailers(exchange.req);
    const request = parseExecute(body, this.#o.maxExecuteMs);
    const facts = executionFacts(request);
    exchange.sandboxId = request.sandboxId;
    exchange.execution = facts;
    authorizeOperation(principal, request.operation);
    const sandbox = findSandbox(this.#o.snapshot(), principal, request.sandboxId);
    this.#allow(exchange, sandbox);
    if (this.#o.gate.tryAcquire()) exchange.slot = this.#o.gate;
    else await this.#waitForSlot(exchange);
    const result = await execute({
      request,
      facts,
      runtime: this.#runtime(sandbox),
      send: (call, firstByteMs) => this.#call(exchange, sandbox, call, firstByteMs),
      defaultTimeoutMs: this.#o.firstByteMs,
    });
    exchange.execution = { ...facts, status: result.status };
    const answer = {
      execution_id: facts.id,
      sandbox_id: sandbox.id,
      instance_id: exchange.instanceId,
      operation: request.operation,
      status: result.status,
      result,
      duration_ms: Math.round(exchange.durationMs * 10) / 10,
    };
    this.#o.responder.json(exchange, 200, JSON.stringify(answer));
  }

  #call(exchange: Exchange, sandbox: Sandbox, call: RuntimeCall, firstByteMs: number): Promise<RuntimeReply> {
    const collect = new Collect(this.#o.maxResponseSize);
    const headers = ["x-request-id", exchange.requestId, "x-sandbox-id", sandbox.id, ...call.headers];
    const dispatch = new Dispatch({
      context: this.#o.dispatching,
      exchange,
      sandbox,
      strategy: this.#strategy(sandbox),
      outbound: {
        method: call.method,
        path: call.path,
        headers,
        body: call.body === "" ? null : () => call.body,
        repeatable: false,
        firstByteMs,
      },
      receiver: collect,
    });
    dispatch.start();
    return collect.reply;
  }

  #list(exchange: Exchange, { principal }: Caller): void {
    exchange.route = "api";
    authorize(principal, "sandbox:read");
    exchange.decision = "allow";
    exchange.rule = `role:${principal.role}`;
    const sandboxes = [];
    for (const sandbox of this.#o.snapshot().sandboxes.values()) {
      const { id } = sandbox;
      if (!maySee(principal, id)) continue;
      const instances = sandbox.instances.map((instance) => ({
        id: instance.id,
        state: this.#o.board.state(instance),
      }));
      sandboxes.push({ id, runtime: sandbox.runtime, driver: sandbox.driver, instances });
    }
    this.#o.responder.json(exchange, 200, JSON.stringify({ sandboxes }));
  }

  /** Before anybody is authenticated: guessing tokens is limited too. @throws GatewayError RATE_001 */
  #limitAddress(peer: Peer, now: bigint): void {
    const waitNs = this.#o.rateLimiter?.admit(peer.rateKey, now) ?? 0;
    if (waitNs > 0) throw this.#overLimit(waitNs);
  }

  /** A caller over its limit does not use up the limit of the others at its address. @throws GatewayError RATE_001 */
  #limitCaller(caller: Caller, peer: Peer, now: bigint): void {
    const waitNs = this.#o.rateLimiter?.admit(caller.rateKey, now) ?? 0;
    if (waitNs === 0) return;
    this.#o.rateLimiter?.refund(peer.rateKey, now);
    throw this.#overLimit(waitNs);
  }

  #overLimit(waitNs: number): GatewayError {
    const seconds = Math.max(1, Math.ceil(waitNs / 1e9));
    const headers = { "ratelimit-policy": this.#o.ratePolicy, ratelimit: `"default";r=0;t=${seconds}` };
    return new GatewayError("RATE_001", { retryAfter: seconds, headers });
  }

  #known(head: Head): Caller | undefined {
    const { authenticator } = this.#o;
    if (authenticator === null) return this.#o.anonymous;
    const caller = authenticator.known(head.authorization, this.#o.snapshot());
    if (caller !== undefined) this.#o.lane.authSuccess();
    return caller;
  }

  async #verify(head: Head): Promise<Caller> {
    const authenticator = this.#o.authenticator as Authenticator;
    const caller = await authenticator.verify(head.authorization as string, this.#o.snapshot);
    this.#o.lane.authSuccess();
    return caller;
  }

  #allow(exchange: Exchange, sandbox: Sandbox): void {
    exchange.sandbox = sandbox;
    exchange.decision = "allow";
    exchange.rule = `role:${(exchange.principal as Caller["principal"]).role}`;
  }

  async #waitForSlot(exchange: Exchange): Promise<void> {
    const left = new AbortController();
    exchange.onCut(() => left.abort());
    await this.#o.gate.acquire(left.signal).catch((error: unknown) => {
      throw exchange.cutBy ?? error;
    });
    exchange.slot = this.#o.gate;
  }

  #strategy(sandbox: Sandbox): Strategy {
    const strategy = this.#o.strategies[sandbox.strategy ?? this.#o.defaultStrategy];
    if (strategy === undefined) throw new GatewayError("GW_001", { details: `unknown strategy ${sandbox.strategy}` });
    return strategy;
  }

  #runtime(sandbox: Sandbox): Runtime {
    const runtime = this.#o.runtimes[sandbox.runtime];
    if (runtime === undefined) throw new GatewayError("GW_001", { details: `unknown runtime ${sandbox.runtime}` });
    return runtime;
  }
}
