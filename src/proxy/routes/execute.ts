import type { Caller } from "../../auth/caller.ts";
import { authorize, authorizeExecution, authorizeOperation } from "../../auth/authorize.ts";
import type { DriverName, Sandbox } from "../../domain/sandbox.ts";
import { resultText } from "../../domain/execution.ts";
import { GatewayError } from "../../errors.ts";
import { execute, executionFacts } from "../../execution/execute.ts";
import { checkContentType, type ExecuteLimits, parseExecute } from "../../execution/validate.ts";
import { BodyMemory } from "../../limits/body-memory.ts";
import type { Cap } from "../../limits/cap.ts";
import { Turns } from "../../execution/turns.ts";
import type { Runtime, RuntimeCall, RuntimeReply } from "../../runtimes/runtime.ts";
import type { Stickiness } from "../balance/stickiness/stickiness.ts";
import type { DispatchContext } from "../dispatch/context.ts";
import { Dispatch } from "../dispatch/dispatch.ts";
import { type TimeoutsBySettings, totalOf } from "../dispatch/timeouts.ts";
import { Collect } from "../forward/collect.ts";
import type { Exchange } from "../request/exchange.ts";
import { checkTrailers, type Head } from "../request/head.ts";
import { type BodyLimits, checkBodyLength, readBody } from "../request/read-body.ts";
import type { Recorder } from "../request/record.ts";
import type { Responder } from "../request/respond.ts";
import type { Admission } from "./admit.ts";

export interface ExecuteOptions {
  readonly admission: Admission;
  readonly runtimes: Readonly<Record<string, Runtime>>;
  readonly dispatching: DispatchContext;
  readonly stickiness: Stickiness;
  readonly recorder: Recorder;
  readonly responder: Responder;
  /** Of all bodies together, in units of BODY_UNIT bytes. */
  readonly bodyMemory: Cap;
  readonly bodyLimits: BodyLimits;
  readonly maxResponseSize: number;
  readonly limits: ExecuteLimits;
  readonly timeouts: TimeoutsBySettings;
  /** Where neither the call nor its sandbox says how long it may run. */
  readonly defaultTimeoutMs: number;
  /** By driver, where it is known: the longest run of a call that sets no `timeout_ms`. */
  readonly ownLimitsMs: Readonly<Partial<Record<DriverName, number>>>;
}

interface InstanceCall {
  readonly exchange: Exchange;
  readonly sandbox: Sandbox;
  readonly call: RuntimeCall;
  readonly executionId: string;
  readonly firstByteMs: number;
}

/** `POST /api/v1/sandbox/execute`: runs one operation and answers with its normalised result. */
export class ExecuteRoute {
  readonly #o: ExecuteOptions;
  readonly #turns = new Turns();

  constructor(options: ExecuteOptions) {
    this.#o = options;
  }

  async serve(exchange: Exchange, head: Head, caller: Caller): Promise<void> {
    const { principal, standing } = caller;
    exchange.route = "execute";
    authorize(standing, "sandbox:execute");
    checkContentType(head.contentType);
    checkBodyLength(head.bodyLength, this.#o.bodyLimits.size);
    const asked = totalOf(head.requestTimeout, this.#o.limits.maxTimeoutMs);
    if (head.requestTimeout !== undefined) exchange.endBy = exchange.startedAt + asked;
    await this.#o.admission.enter(exchange, caller, null);
    if (head.expectsContinue) exchange.res.writeContinue();
    const memory = new BodyMemory({ cap: this.#o.bodyMemory, callerKey: caller.shareKey });
    const body = await readBody(exchange, memory, this.#o.bodyLimits);
    exchange.bytesIn = body.length;
    checkTrailers(exchange.req);
    await this.#turns.of(body);
    const request = parseExecute(body, this.#o.limits);
    const facts = executionFacts(request);
    exchange.sandboxId = request.sandboxId;
    exchange.execution = facts;
    authorizeOperation(principal, request.operation);
    const found = this.#o.admission.find(standing, "sandbox:execute", request.sandboxId, exchange.address);
    authorizeExecution(standing, found, request.operation);
    this.#o.admission.count(exchange, caller, found, request.operation);
    const { totalMs } = this.#o.timeouts.of(found.settings);
    totalOf(head.requestTimeout, totalMs); // its sandbox is known only now
    if ((request.timeoutMs ?? 0) > totalMs) {
      throw new GatewayError("VAL_010", { details: `timeout_ms: a call here may take ${totalMs} ms` });
    }
    exchange.endBy = Math.min(exchange.endBy, exchange.startedAt + totalMs);
    await this.#o.admission.enterSandbox(exchange, found);
    await this.#o.recorder.begin(exchange);
    const sandbox = this.#o.admission.admit(exchange, caller, "sandbox:execute", request.sandboxId);
    exchange.rule = authorizeExecution(standing, sandbox, request.operation);
    exchange.bond = this.#o.stickiness.bind(sandbox, exchange);
    const result = await execute({
      request,
      facts,
      runtime: this.#runtime(sandbox),
      turns: this.#turns,
      send: (call, firstByteMs) => this.#call({ exchange, sandbox, call, executionId: facts.id, firstByteMs }),
      ownLimitMs: this.#o.ownLimitsMs[sandbox.driver],
      defaultTimeoutMs: sandbox.settings.firstByteTimeout ?? this.#o.defaultTimeoutMs,
    });
    exchange.execution = { ...facts, status: result.status };
    const answer = JSON.stringify({
      execution_id: facts.id,
      sandbox_id: sandbox.id,
      instance_id: exchange.instanceId,
      operation: request.operation,
      status: result.status,
      duration_ms: Math.round(exchange.durationMs * 10) / 10,
    });
    this.#o.responder.json(exchange, 200, `${answer.slice(0, -1)},"result":${resultText(result)}}`);
  }

  #call({ exchange, sandbox, call, executionId, firstByteMs }: InstanceCall): Promise<RuntimeReply> {
    const collect = new Collect(this.#o.maxResponseSize);
    // No client can send the last one: so an instance can tell an execution, which is recorded as one, from a proxied call.
    const ids = ["x-request-id", exchange.requestId, "x-sandbox-id", sandbox.id, "x-sandbox-execution-id", executionId];
    const headers = [...ids, ...call.headers];
    const dispatch = new Dispatch({
      context: this.#o.dispatching,
      exchange,
      sandbox,
      outbound: {
        method: call.method,
        path: call.path,
        headers,
        body: call.body === "" ? null : call.body,
        idempotent: false,
        kept: null,
      },
      // A result is small and comes at once: who trickles it must not keep the slot.
      timeouts: { ...this.#o.timeouts.of(sandbox.settings), firstByteMs, wholeMs: firstByteMs },
      receiver: collect,
    });
    dispatch.start();
    return collect.reply;
  }

  #runtime(sandbox: Sandbox): Runtime {
    const runtime = this.#o.runtimes[sandbox.runtime];
    if (runtime === undefined) throw new GatewayError("GW_001", { details: `unknown runtime ${sandbox.runtime}` });
    return runtime;
  }
}
