import type { Readable } from "node:stream";
import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import { GatewayError } from "../../errors.ts";
import type { MetricLane, Outcome } from "../../observe/metric-slots.ts";
import type { Strategy } from "../balance/strategy.ts";
import type { Deadlines, Watched } from "./deadlines.ts";
import type { InstanceBoard } from "../health/board.ts";
import type { Exchange } from "../request/exchange.ts";
import {
  ProtocolError,
  type UpstreamClient,
  type UpstreamControl,
  type UpstreamHandler,
} from "../upstream/upstream.ts";

/** What is to be sent to an instance. */
export interface Outbound {
  readonly method: string;
  readonly path: string;
  readonly headers: string[];
  /** A fresh body for each attempt; null when there is none. */
  readonly body: ((dispatch: Dispatch) => Readable | string) | null;
  /** May be sent again after it may have reached an instance (RFC 9110 section 9.2.2). */
  readonly repeatable: boolean;
  /** Milliseconds to the first byte of the answer, counted from the end of the request. */
  readonly firstByteMs: number;
}

/** Takes the answer. After `end` or `failed` nothing more comes. A GatewayError thrown from `head` or `data` fails the call. */
export interface Receiver {
  head(status: number, fields: readonly string[]): void;
  data(chunk: Buffer): void;
  end(): void;
  failed(error: GatewayError): void;
}

/** What every dispatch of a thread shares. */
export interface DispatchContext {
  readonly client: UpstreamClient;
  readonly board: InstanceBoard;
  readonly deadlines: Deadlines<Dispatch>;
  readonly lane: MetricLane;
  readonly maxRetries: number;
  /** Milliseconds a client may take between two pieces of its body, or before it reads on. */
  readonly sendTimeoutMs: number;
  /** Milliseconds an instance may be silent in the middle of an answer. */
  readonly idleTimeoutMs: number;
}

/**
 * One request's way to an instance: the strategy picks one, a slot on it is claimed, the request is sent, the outcome is
 * reported. A failed connect goes on to the next instance whatever the method, because nothing has been sent; a
 * connection that breaks before the answer is tried once more if repeating is harmless.
 */
export class Dispatch implements UpstreamHandler, Watched {
  readonly exchange: Exchange;
  deadline = Number.POSITIVE_INFINITY;
  place = -1;
  readonly #context: DispatchContext;
  readonly #sandbox: Sandbox;
  readonly #strategy: Strategy;
  readonly #outbound: Outbound;
  readonly #receiver: Receiver;
  readonly #tried: Instance[] = [];
  #instance: Instance | undefined;
  #control: UpstreamControl | undefined;
  /** The current attempt may have reached its instance. */
  #sent = false;
  #attempts = 0;
  #answered = false;
  #done = false;
  /** Whom we are waiting for: decides what a passed deadline means. */
  #waitingFor: "instance" | "client body" | "client reading" = "instance";

  constructor(options: {
    context: DispatchContext;
    exchange: Exchange;
    sandbox: Sandbox;
    strategy: Strategy;
    outbound: Outbound;
    receiver: Receiver;
  }) {
    this.#context = options.context;
    this.exchange = options.exchange;
    this.#sandbox = options.sandbox;
    this.#strategy = options.strategy;
    this.#outbound = options.outbound;
    this.#receiver = options.receiver;
  }

  start(): void {
    this.exchange.onCut((error) => this.cancel(error, error.code === "PROXY_005" ? "client_gone" : "cut"));
    if (this.#done) return;
    this.#context.deadlines.watch(this);
    this.#attempt(this.#strategy.pick(this.#sandbox, this.#tried), false);
  }

  /** Ends the call from this side: the client left, or must not go on. The receiver is told `error`. */
  cancel(error: GatewayError, outcome: Outcome): void {
    const { code, details } = error;
    this.#fail(this.#sent ? new GatewayError(code, { details, executed: "maybe", cause: error }) : error, outcome);
  }

  /** The body is on its way. Now the client must send more of it, or the instance take what came and answer. */
  bodyProgress(turn: "client" | "instance"): void {
    if (this.#answered) return;
    this.#waitingFor = turn === "client" ? "client body" : "instance";
    this.deadline = performance.now() + (turn === "client" ? this.#context.sendTimeoutMs : this.#outbound.firstByteMs);
  }

  /** Stops the instance's answer until the client has read what it was sent. */
  pause(): void {
    this.#waitingFor = "client reading";
    this.deadline = performance.now() + this.#context.sendTimeoutMs;
    this.#control?.pause();
  }

  resume(): void {
    if (this.#done) return;
    this.#waitingFor = "instance";
    this.deadline = performance.now() + this.#context.idleTimeoutMs;
    this.#control?.resume();
  }

  onSent(): void {
    this.#sent = true;
    this.exchange.sent = true;
    this.#waitingFor = "instance";
    this.deadline = performance.now() + this.#outbound.firstByteMs;
  }

  onHead(status: number, fields: readonly string[]): void {
    this.#answered = true;
    this.#waitingFor = "instance";
    this.deadline = performance.now() + this.#context.idleTimeoutMs;
    this.#context.board.report(this.#instance as Instance, true);
    try {
      this.#receiver.head(status, fields);
    } catch (error) {
      this.#refuse(error);
    }
  }

  onData(chunk: Buffer): void {
    this.deadline = performance.now() + this.#context.idleTimeoutMs;
    try {
      this.#receiver.data(chunk);
    } catch (error) {
      this.#refuse(error);
    }
  }

  onEnd(): void {
    this.#finish("delivered");
    this.#receiver.end();
  }

  onError(error: Error): void {
    const sent = this.#sent;
    const instance = this.#instance as Instance;
    if (!sent) this.#context.board.report(instance, false);
    if (this.#answered) return this.#fail(broken(error), "broken");
    const next = this.#mayRetry(sent) ? this.#nextInstance(sent) : undefined;
    if (next !== undefined) {
      this.#context.lane.retry();
      this.#context.board.release(instance);
      return this.#attempt(next, sent); // other kept connections may have lost their other end too
    }
    this.#fail(sent ? broken(error) : unreachable(error), sent ? "broken" : "unreachable");
  }

  expire(): void {
    if (this.#waitingFor !== "instance") {
      return this.#fail(
        new GatewayError("PROXY_006", { details: `no ${this.#waitingFor}`, executed: "maybe" }),
        "client_gone",
      );
    }
    const executed = this.#sent ? "maybe" : "no";
    const details = this.#answered ? "The answer stopped in the middle" : "No answer before the deadline";
    this.#fail(new GatewayError("PROXY_003", { details, executed }), "timeout");
  }

  #attempt(instance: Instance | undefined, fresh: boolean): void {
    if (instance === undefined) {
      return this.#fail(
        new GatewayError("PROXY_001", { details: "The sandbox has no instance", retryAfter: 1 }),
        "unreachable",
      );
    }
    this.#attempts += 1;
    this.#tried.push(instance);
    this.#instance = instance;
    this.exchange.instance = instance;
    this.#sent = false;
    this.deadline = performance.now() + this.#outbound.firstByteMs;
    this.#context.board.claim(instance);
    const { method, path, headers, body } = this.#outbound;
    this.#control = this.#context.client.start(
      instance,
      { method, path, headers, body: body === null ? null : body(this), fresh },
      this,
    );
  }

  #mayRetry(sent: boolean): boolean {
    if (this.#attempts > this.#context.maxRetries) return false;
    return !sent || (this.#outbound.repeatable && this.#outbound.body === null && this.#attempts === 1);
  }

  /** Another instance when there is one. A connection that broke may have been an old one: then the same may serve. */
  #nextInstance(sent: boolean): Instance | undefined {
    return this.#strategy.pick(this.#sandbox, this.#tried) ?? (sent ? this.#instance : undefined);
  }

  /** The receiver does not take the answer. An error that escaped into the client's callbacks would be lost there. */
  #refuse(error: unknown): void {
    const known =
      error instanceof GatewayError ? error : new GatewayError("GW_001", { cause: error, executed: "maybe" });
    this.#fail(known, "broken");
  }

  #fail(error: GatewayError, outcome: Outcome): void {
    if (this.#done) return;
    this.#finish(outcome);
    this.#control?.abort();
    this.#receiver.failed(error);
  }

  #finish(outcome: Outcome): void {
    this.#done = true;
    this.#context.deadlines.unwatch(this);
    if (this.#instance !== undefined) this.#context.board.release(this.#instance);
    this.#context.lane.outcome(outcome);
  }
}

function unreachable(cause: Error): GatewayError {
  return new GatewayError("PROXY_001", { details: reason(cause), retryAfter: 1, cause });
}

function broken(cause: Error): GatewayError {
  const code = cause instanceof ProtocolError ? "PROXY_004" : "PROXY_002";
  return new GatewayError(code, { details: reason(cause), executed: "maybe", cause });
}

/** What a client may know of an upstream error: no addresses, no paths. */
function reason(cause: Error): string {
  if (cause instanceof ProtocolError) return cause.message;
  return "code" in cause && typeof cause.code === "string" ? cause.code : "connection failed";
}
