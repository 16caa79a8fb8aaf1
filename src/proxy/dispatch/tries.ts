import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import { type Claim, isProbe, REFUSED, UNTRACKED } from "../health/board.ts";
import type { Experience } from "../health/verdict.ts";
import type { Exchange } from "../request/exchange.ts";
import type { DispatchContext } from "./context.ts";
import type { Outbound } from "./outbound.ts";
import { type Ending, retryAfter } from "./retry.ts";

/** A call's way from instance to instance: which one it is at, what it holds there, and what came of each. */
export class Tries {
  /** How many there were, the current one included. */
  count = 0;
  /** How many of them may have reached an instance. */
  sends = 0;
  readonly #context: DispatchContext;
  readonly #exchange: Exchange;
  readonly #sandbox: Sandbox;
  /** Instances that had their chance: a try went there, or another call was faster. */
  readonly #tried: Instance[] = [];
  #instance: Instance | undefined;
  /** What is held of the instance. */
  #claim: Claim = UNTRACKED;
  /** What is held of the one that is next. */
  #taken: Claim = UNTRACKED;
  /** When the current one began; negative when there is none. */
  #beganAt = -1;
  /** How long the event loop had stood still by then. */
  #stalledBefore = 0;

  constructor(context: DispatchContext, exchange: Exchange, sandbox: Sandbox) {
    this.#context = context;
    this.#exchange = exchange;
    this.#sandbox = sandbox;
  }

  /** The instance the call is at, or was last. */
  get instance(): Instance {
    return this.#instance as Instance;
  }

  /** How long the current try has been going on, ms. */
  get ageMs(): number {
    return performance.now() - this.#beganAt;
  }

  /** The same without the time in which our own event loop stood still: nobody can have heard an answer then. */
  get heardMs(): number {
    return this.ageMs - (this.#context.deadlines.stalledMs - this.#stalledBefore);
  }

  /** Chooses an instance that had no chance yet, and takes a place on it. */
  take(): Instance | undefined {
    for (;;) {
      const instance = this.#context.balancer.choose(this.#sandbox, this.#exchange, this.#tried);
      if (instance === undefined) return undefined;
      this.#tried.push(instance);
      if (this.#takes(instance)) return instance;
    }
  }

  /**
   * Where a call goes whose current try has ended so, with a place taken there; undefined when that was its last.
   * `again`: where there is no other, the last one may be asked again.
   */
  takeNext(kind: Ending, { idempotent, body, kept }: Outbound, again = true): Instance | undefined {
    const retry = retryAfter({
      kind,
      attempts: this.count,
      sends: this.sends,
      repeatable: idempotent && (typeof body !== "function" || kept?.whole === true),
      maxRetries: this.#context.maxRetries,
    });
    if (retry === "no") return undefined;
    if (retry === "again" && !this.#context.repeats.spend(this.#sandbox, performance.now())) return undefined;
    const last = this.instance;
    return this.take() ?? (again && retry === "again" && this.#takesAgain(last) ? last : undefined);
  }

  /** What was taken is held from now on, for one try more. */
  hold(instance: Instance): void {
    this.count += 1;
    this.#instance = instance;
    this.#claim = this.#taken;
  }

  /** The try begins. */
  begin(): void {
    this.#beganAt = performance.now();
    this.#stalledBefore = this.#context.deadlines.stalledMs;
  }

  /** Tells the board what the instance has shown of itself. Another port on its host says nothing of the instance. */
  report(experience: Experience): void {
    if (this.#exchange.port !== null) return;
    this.#context.board.report(this.#sandbox, this.instance, this.#claim, experience);
  }

  /** Tells the strategy, if it wants to know, how long the answer took to begin. */
  observe(): void {
    if (this.#exchange.port !== null) return;
    const observer = this.#context.balancer.observerOf(this.#sandbox);
    observer?.observe?.(this.instance, this.ageMs);
  }

  release(): void {
    if (this.#claim !== UNTRACKED) this.#context.board.release(this.instance, this.#claim);
    this.#claim = UNTRACKED;
  }

  /** Notes for the record what became of the current try. */
  note(outcome: string): void {
    if (this.#beganAt < 0) return;
    const durationMs = this.ageMs;
    this.#beganAt = -1;
    const exchange = this.#exchange;
    (exchange.tries ??= []).push({ instanceId: exchange.instanceId, outcome, durationMs });
  }

  #takes(instance: Instance): boolean {
    this.#taken = this.#context.balancer.claim(this.#sandbox, instance);
    // A circuit's one probe has to be told how the instance is, which a call to another port does not find out.
    if (this.#exchange.port !== null && isProbe(this.#taken)) {
      this.#context.board.release(instance, this.#taken);
      this.#taken = REFUSED;
    }
    return this.#taken !== REFUSED;
  }

  /** A place that is held still is kept: at its limit the instance has no second one for the same call. */
  #takesAgain(last: Instance): boolean {
    if (this.#claim === UNTRACKED) return this.#takes(last);
    this.#taken = this.#claim;
    return true;
  }
}
