import type { Caller } from "../../auth/authenticate.ts";
import { authorize, authorizeOperation, authorizeProxy, findSandbox } from "../../auth/authorize.ts";
import { maySee, type Principal } from "../../domain/principal.ts";
import type { Sandbox } from "../../domain/sandbox.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../errors.ts";
import { execute, executionFacts } from "../../execution/execute.ts";
import type { Runtime, RuntimeCall, RuntimeReply } from "../../runtimes/runtime.ts";
import type { Strategy } from "../balance/strategy.ts";
import { checkBodyLength, readBody } from "../request/read-body.ts";
import { Collect } from "../forward/collect.ts";
import type { ConcurrencyGate } from "../../limits/concurrency.ts";
import { Dispatch, type DispatchContext } from "../dispatch/dispatch.ts";
import type { Exchange } from "../request/exchange.ts";
import { Forward, type ForwardContext, outbound } from "../forward/forward.ts";
import { checkTrailers, type Head } from "../request/head.ts";
import type { SharedBoard } from "../health/board.ts";
import type { Responder } from "../request/respond.ts";
import { checkContentType, parseExecute } from "../../execution/validate.ts";

export interface CallsOptions {
  readonly snapshot: () => Snapshot;
  readonly gate: ConcurrencyGate;
  readonly runtimes: Readonly<Record<string, Runtime>>;
  readonly strategies: Readonly<Record<string, Strategy>>;
  readonly defaultStrategy: string;
  readonly dispatching: DispatchContext;
  readonly forwarding: ForwardContext;
  readonly responder: Responder;
  readonly board: SharedBoard;
  readonly maxBodySize: number;
  readonly maxResponseSize: number;
  readonly maxExecuteMs: number;
  readonly firstByteMs: number;
  readonly sendTimeoutMs: number;
}

/** What an authenticated caller can ask for: each method is one kind of call from its authorisation to its answer. */
export class Calls {
  readonly #o: CallsOptions;

  constructor(options: CallsOptions) {
    this.#o = options;
  }

  /** The transparent proxy. Returns a promise only when the call has to wait for a slot. */
  proxy(
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
    this.#allow(exchange, principal);
    if (this.#o.gate.tryAcquire()) {
      exchange.slot = this.#o.gate;
      this.#forward(exchange, head, sandbox, path);
      return undefined;
    }
    return this.#waitForSlot(exchange).then(() => this.#forward(exchange, head, sandbox, path));
  }

  /** `POST /api/v1/sandbox/execute`: runs one operation and answers with its normalised result. */
  async execute(exchange: Exchange, head: Head, { principal }: Caller): Promise<void> {
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
    this.#allow(exchange, principal);
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

  /** `GET /api/v1/sandboxes`: what this principal may use. */
  list(exchange: Exchange, { principal }: Caller): void {
    exchange.route = "api";
    authorize(principal, "sandbox:read");
    this.#allow(exchange, principal);
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

  #allow(exchange: Exchange, { role }: Principal): void {
    exchange.decision = "allow";
    exchange.rule = `role:${role}`;
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
