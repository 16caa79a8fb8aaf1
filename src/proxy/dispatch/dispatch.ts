import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import { asGatewayError, GatewayError } from "../../errors.ts";
import type { Outcome, RetryReason } from "../../observe/metric-slots.ts";
import type { Watched } from "../request/deadlines.ts";
import type { Exchange } from "../request/exchange.ts";
import type { UpstreamControl, UpstreamHandler, Wire } from "../upstream/upstream.ts";
import { backoffMs, isPaused } from "./backoff.ts";
import {
  answeredUnavailable,
  connectTimedOut,
  type Failure,
  failureError,
  failureOf,
  noFreeConnection,
} from "./failure.ts";
import type { DispatchContext, Whom } from "./context.ts";
import type { BodyControl, Outbound } from "./outbound.ts";
import type { AnswerControl, Receiver, TunnelControl } from "./receiver.ts";
import { silence } from "./silence.ts";
import { askedWaitMs, isUnavailable } from "./retry.ts";
import type { Timeouts } from "./timeouts.ts";
import { Tries } from "./tries.ts";

/**
 * One request's way to an instance: the balancer chooses one, a place on it is claimed, the request is sent, the outcome is
 * reported. What becomes of a failed attempt, `retry.ts` says; whatever any attempt may have done is remembered, so that
 * the client is never told less.
 */
export class Dispatch implements UpstreamHandler, AnswerControl, BodyControl, TunnelControl, Watched {
  readonly exchange: Exchange;
  deadline = Number.POSITIVE_INFINITY;
  place = -1;
  /** When the whole answer must have come. */
  #endBy: number;
  readonly #context: DispatchContext;
  readonly #sandbox: Sandbox;
  readonly #outbound: Outbound;
  readonly #receiver: Receiver;
  readonly #timeouts: Timeouts;
  readonly #tries: Tries;
  /** It has a connection of its own making. */
  #connecting = false;
  /** Until the next attempt. */
  #pause: NodeJS.Timeout | undefined;
  #status = 0;
  #control: UpstreamControl | undefined;
  /** The current attempt may have reached its instance. */
  #sent = false;
  /** How the last try failed that may have reached its instance. */
  #reached: Failure | undefined;
  #answered = false;
  #done = false;
  /** Whom we are waiting for: decides what a passed deadline means. */
  #waitingFor: Whom = "pool";

  constructor(options: {
    context: DispatchContext;
    exchange: Exchange;
    sandbox: Sandbox;
    outbound: Outbound;
    timeouts: Timeouts;
    receiver: Receiver;
  }) {
    this.#context = options.context;
    this.exchange = options.exchange;
    this.#sandbox = options.sandbox;
    this.#outbound = options.outbound;
    this.#timeouts = options.timeouts;
    this.#receiver = options.receiver;
    this.#tries = new Tries(options.context, options.exchange, options.sandbox);
    this.#endBy = options.exchange.endBy;
  }

  start(): void {
    this.exchange.onCut((error) => this.cancel(error, error.code === "PROXY_005" ? "client_gone" : "cut"));
    if (this.#done) return;
    this.#context.deadlines.watch(this);
    if (this.#endBy !== Number.POSITIVE_INFINITY && performance.now() >= this.#endBy) return this.#overdue();
    this.#context.repeats.earn();
    const instance = this.#tries.take();
    if (instance === undefined) return this.#fail(this.#context.balancer.refusal(this.#sandbox), "unreachable");
    this.#tries.hold(instance);
    this.#attempt(instance, false);
  }

  /** Ends the call from this side: the client left, or it must not go on. The receiver is told `error`. */
  cancel(error: GatewayError, outcome: Outcome): void {
    this.#fail(error.withExecuted(this.#executed), outcome);
  }

  bodyProgress(turn: "client" | "instance"): void {
    if (this.#answered) return;
    if (turn === "client") this.#waitFor("client body", this.#timeouts.sendMs);
    else this.#waitFor("instance", this.#timeouts.firstByteMs);
  }

  pause(): void {
    this.#waitFor("client reading", this.#timeouts.sendMs);
    this.#control?.pause();
  }

  resume(): void {
    if (this.#done) return;
    this.#waitFor("instance", this.#timeouts.idleMs);
    this.#control?.resume();
  }

  onConnecting(): void {
    this.#connecting = true;
    this.#waitFor("connect", this.#timeouts.connectMs);
  }

  onSent(): void {
    this.#sent = true;
    this.exchange.sent = true;
    this.#tries.sends += 1;
    this.#waitFor("instance", this.#timeouts.firstByteMs);
  }

  onHead(status: number, fields: readonly string[]): void {
    this.#status = status;
    if (isUnavailable(status) && this.#isTriedElsewhere(fields)) return;
    this.#answered = true;
    this.#outbound.kept?.drop();
    this.#endBy = Math.min(this.#endBy, performance.now() + this.#timeouts.wholeMs);
    this.#waitFor("instance", this.#timeouts.idleMs);
    this.#tries.report("answered");
    this.exchange.bond?.tie(this.#tries.instance);
    this.#tries.observe();
    try {
      this.#receiver.head(status, fields, this);
    } catch (error) {
      this.#refuse(error);
    }
  }

  onData(chunk: Buffer): void {
    // More of what had been read when the client fell behind is no sign that it reads on.
    if (this.#waitingFor === "instance") this.#waitFor("instance", this.#timeouts.idleMs);
    try {
      this.#receiver.data(chunk);
    } catch (error) {
      this.#refuse(error);
    }
  }

  onHints(fields: readonly string[]): void {
    this.#receiver.hints?.(fields);
  }

  onTrailers(fields: readonly string[]): void {
    this.#receiver.trailers?.(fields);
  }

  onSwitch(fields: readonly string[], wire: Wire): void {
    this.#status = 101;
    this.#answered = true;
    this.#tries.report("answered");
    this.exchange.bond?.tie(this.#tries.instance);
    this.#endBy = Number.POSITIVE_INFINITY;
    this.exchange.endBy = this.#endBy;
    this.#waitFor("age", this.#timeouts.tunnelMaxAgeMs);
    try {
      this.#receiver.switched?.(fields, wire, this);
    } catch (error) {
      wire.socket.destroy();
      this.#refuse(error);
    }
  }

  get idleMs(): number {
    return this.#timeouts.tunnelIdleMs;
  }

  get halfOpenMs(): number {
    return Math.min(this.#timeouts.tunnelIdleMs, this.#timeouts.idleMs);
  }

  ended(outcome: Outcome): void {
    if (!this.#done) this.#finish(outcome);
  }

  onEnd(): void {
    this.#finish("delivered");
    this.#receiver.end();
  }

  onError(error: Error): void {
    if (error instanceof GatewayError) return this.#refuse(error);
    this.#failed(failureOf(error, this.#sent));
  }

  expire(): void {
    if (performance.now() >= this.exchange.endBy) return this.#overdue();
    switch (this.#waitingFor) {
      case "pause":
        return; // only the end of the call's time ends it
      case "pool":
        return this.#give(noFreeConnection());
      case "connect":
        return this.#give(connectTimedOut());
      case "age":
        return this.#fail(new GatewayError("PROXY_016"), "cut");
      case "instance": {
        this.#tries.report("silent");
        const details = silence(this.#answered, this.#endBy);
        return this.#fail(new GatewayError("PROXY_003", { details, executed: this.#executed }), "timeout");
      }
      case "client body":
      case "client reading": {
        const details = `no ${this.#waitingFor}`;
        return this.#fail(new GatewayError("PROXY_006", { details, executed: this.#executed }), "client_gone");
      }
    }
  }

  /** The time for all of the call is over, whatever it waits for. */
  #overdue(): void {
    if (this.#hadItsTime) this.#tries.report("silent");
    const details = this.#answered ? "The answer did not end in time" : "No answer in the time the call may take";
    this.#fail(new GatewayError("PROXY_003", { details, executed: this.#executed }), "timeout");
  }

  /** Only then is a call that took too long the instance's fault: not when its client or the queue left it next to nothing. */
  get #hadItsTime(): boolean {
    const asksForLess = this.exchange.head?.requestTimeout !== undefined;
    if (this.#answered || this.#waitingFor !== "instance" || asksForLess) return false;
    return this.#tries.heardMs > this.#timeouts.totalMs / 2;
  }

  /** What is known of the sandbox's side while there is no whole answer. */
  get #executed(): "no" | "maybe" {
    return this.exchange.sent ? "maybe" : "no";
  }

  #waitFor(whom: Whom, ms: number): void {
    this.#waitingFor = whom;
    this.deadline = Math.min(performance.now() + ms, this.#endBy);
  }

  /** The instance is claimed. `fresh`: not over a kept connection. */
  #attempt(instance: Instance, fresh: boolean): void {
    this.exchange.instance = instance;
    this.exchange.pausing = false;
    this.#sent = false;
    this.#connecting = false;
    this.#tries.begin();
    this.#waitFor("pool", this.#timeouts.poolMs);
    const { method, path, headers, body, upgrade = null } = this.#outbound;
    this.#control = this.#context.client.start(
      instance,
      {
        method,
        path,
        headers,
        body: typeof body === "function" ? body(this) : body,
        fresh,
        upgrade,
        port: this.exchange.port,
        host: this.exchange.toldHost,
      },
      this,
    );
  }

  /** Gives up an attempt that has not been sent. */
  #give(failure: Failure): void {
    this.#control?.abort();
    this.#failed(failure);
  }

  /** The attempt has failed. Another one, or the end. */
  #failed(failure: Failure): void {
    this.#tries.report(failure.kind);
    this.#tries.release();
    if (!this.#answered) {
      const next = this.#tries.takeNext(failure.kind, this.#outbound);
      const paused = isPaused(failure.kind, { again: next === this.#tries.instance, kept: !this.#connecting });
      if (next !== undefined) return this.#again(next, failure, paused ? backoffMs(this.#tries.count) : 0);
    }
    if (this.exchange.tries !== null) this.#tries.note(failure.kind);
    const error = failureError(failure, this.#reached);
    this.#fail(error, error.executed === "no" ? "unreachable" : "broken");
  }

  /** The instance says that it cannot serve now, and the sandbox wants such calls to be tried again: whether that is done. */
  #isTriedElsewhere(fields: readonly string[]): boolean {
    if (this.#sandbox.settings.retryUnavailable !== true) return false;
    const asked = askedWaitMs(fields, Date.now());
    const waits = asked !== undefined && performance.now() + asked < this.#endBy;
    const last = this.#tries.instance;
    const next = this.#tries.takeNext("unavailable", this.#outbound, waits);
    if (next === undefined) return false;
    this.#tries.report("answered");
    this.#control?.abort();
    const pauseMs = Math.max(backoffMs(this.#tries.count), next === last ? (asked as number) : 0);
    this.#again(next, answeredUnavailable(this.#status), pauseMs);
    return true;
  }

  /** Another attempt, after a pause in which the call holds its place at the instance. */
  #again(next: Instance, failure: Failure, pauseMs: number): void {
    if (this.#sent) this.#reached = failure;
    this.#tries.note(this.#status > 0 ? String(this.#status) : failure.kind);
    // What was not HTTP is never tried again.
    this.#context.lane.retry(this.#status > 0 ? "unavailable" : (failure.kind as RetryReason));
    this.#status = 0;
    if (next !== this.#tries.instance) this.#tries.release();
    this.#tries.hold(next);
    const attempt = (): void => this.#attempt(next, failure.kind === "broken");
    if (pauseMs === 0) return attempt();
    this.#waitFor("pause", Number.POSITIVE_INFINITY);
    this.exchange.pausing = true;
    this.#pause = setTimeout(attempt, pauseMs);
  }

  /** The call cannot go on: an error that escaped into the client's callbacks would be lost there. */
  #refuse(thrown: unknown): void {
    this.cancel(asGatewayError(thrown), "broken");
  }

  #fail(error: GatewayError, outcome: Outcome): void {
    if (this.#done) return;
    this.#finish(outcome);
    this.#control?.abort();
    this.#receiver.failed(error);
  }

  #finish(outcome: Outcome): void {
    this.#done = true;
    clearTimeout(this.#pause);
    if (this.exchange.tries !== null) this.#tries.note(outcome === "delivered" ? String(this.#status) : outcome);
    this.#context.deadlines.unwatch(this);
    this.#tries.release();
    this.#context.lane.outcome(outcome);
  }
}
