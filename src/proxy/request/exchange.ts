import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuditReceiver } from "../../audit/outbox.ts";
import type { ExecutionFacts, RequestFacts, Try } from "../../audit/record.ts";
import type { Standing } from "../../auth/standing.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Instance } from "../../domain/sandbox.ts";
import { GatewayError } from "../../errors.ts";
import type { Limit, Limited } from "../../limits/rate/rate-limits.ts";
import type { SketchKey } from "../../limits/sketch.ts";
import type { SlotHolder } from "../../limits/streams.ts";
import type { TunnelPlace } from "../../limits/tunnels/tunnels.ts";
import type { RouteKind } from "../../observe/metric-slots.ts";
import type { Head } from "./head.ts";
import type { InFlight, Placed } from "./in-flight.ts";

/** Another protocol that a client wants to go on in, on this connection (RFC 9110 section 7.8). */
export interface Offer {
  /** As the client names it. */
  readonly protocol: string;
  /** What the Sec-WebSocket-Accept of the answer must be (RFC 6455 section 4.2.2); null for other protocols. */
  readonly accept: string | null;
  /** Bytes that came behind the request before it was decided upon. */
  readonly early: Buffer[];
  /** It is taken up or refused: whoever calls this reads the connection from now on. */
  decided(): void;
}

/** What binds a request to the instance on which its session began. */
export interface Bond {
  /** The one it is bound to, usable or not; undefined while it is bound to none. */
  readonly instance: Instance | undefined;
  /** Where of these a session begins, the same on every thread; undefined = where the sandbox's strategy says. */
  first(candidates: readonly Instance[]): Instance | undefined;
  /** The instance has answered: it is bound to that one from now on. */
  tie(instance: Instance): void;
  /** What the client has to be told of that: the value of a Set-Cookie field; null = nothing. */
  readonly cookie: string | null;
}

/** Bytes of an answer that may wait for its client without a slot. */
const SMALL_REST = 64 * 1024;

/** Stops what a step does for an exchange; `error` is why. */
export type Stop = (error: GatewayError) => void;

/**
 * One request on its way through the gateway: what has been learned and decided so far. Each step of the pipeline fills
 * in its part; the audit record is written from it.
 */
export class Exchange implements RequestFacts, AuditReceiver, SlotHolder, Placed, Limited {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly requestId: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly at: number;
  /** Monotonic, milliseconds. */
  readonly startedAt: number;
  route: RouteKind = "none";
  address = "";
  /** Between two tries: what was sent is over, and what comes next has not begun. */
  pausing = false;
  /** When all of it must be over, monotonic ms; Infinity while nobody has said so. */
  endBy = Number.POSITIVE_INFINITY;
  /** How the client speaks to the first of us. */
  scheme: "http" | "https" = "http";
  head: Head | undefined;
  /** Of who makes it; undefined while nobody knows who. */
  standing: Standing | undefined;
  /** Its Authorization field is the sandbox's own. */
  passesAuthorization = false;
  decision: "allow" | "deny" = "deny";
  rule = "";
  sandboxId = "";
  /** The port that the call is for on an instance's host; null = the instance's own. */
  port: number | null = null;
  /** The sandbox was chosen by its labels: the client is told which one. */
  selected = false;
  /** Where the client sees the sandbox: the beginning of its paths; empty when that is the whole origin. */
  mount = "";
  /** Client and sandbox call its paths alike, the mount included. */
  alike = false;
  /** Its mount is part of the path that the instance sees. */
  keepsPrefix = false;
  /** The Host that the instance is told; null = its own address. */
  toldHost: string | null = null;
  /** Silence of an event stream after which its client is sent a comment, ms; 0 = none is. */
  heartbeatMs = 0;
  /** What its answer says to pages of other origins, in place of the instance: name, value, name, value…; null = nothing. */
  cors: readonly string[] | null = null;
  instance: Instance | undefined;
  /** null: its sandbox's instances are all alike to it. */
  bond: Bond | null = null;
  /** The limit of its caller that it was counted by; null while it was by none. */
  limit: Limit | null = null;
  /** See Limited. */
  taken = 0;
  /** Some of it may have reached an instance. */
  sent = false;
  /** What became of each try; null while the first is not over, and when there was no other. */
  tries: Try[] | null = null;
  execution: ExecutionFacts | undefined;
  started = false;
  status = 0;
  outcome = "";
  bytesIn = 0;
  bytesOut = 0;
  /** In whose shares it is counted while it holds a slot; null = in nobody's. */
  callerKey: SketchKey | null = null;
  sandboxKey: SketchKey | null = null;
  /** Whose slot it holds: that of requests, later perhaps that of streams; null when it holds none. */
  slot: SlotHolder["slot"] = null;
  /** Its place among the upgraded connections; null when it is none and will be none. */
  tunnel: TunnelPlace | null = null;
  /** What its body takes of the memory for bodies; null when it is not held. */
  bodyMemory: { release(): void } | null = null;
  /** Its end has been recorded; whatever still happens to the connection is none of its business. */
  recorded = false;
  /** Waits for the record to be committed. */
  receiver: AuditReceiver | null = null;
  /** Why it ended before its time, if it did. */
  cutBy: GatewayError | undefined;
  /** Where InFlight keeps it; its own business. */
  place = -1;
  readonly #inFlight: InFlight<Exchange>;
  /** The step that works for it now. There is hardly ever another at the same time: those have an array. */
  #stop: Stop | undefined;
  #others: Stop[] | undefined;
  #acknowledged = false;
  #closed = false;

  /** Is in flight from now on. */
  constructor(req: IncomingMessage, res: ServerResponse, requestId: string, inFlight: InFlight<Exchange>) {
    this.req = req;
    this.res = res;
    this.requestId = requestId;
    this.#inFlight = inFlight;
    inFlight.add(this);
    this.at = Date.now();
    this.startedAt = performance.now();
  }

  /**
   * Ends the exchange before its time: the client went away, the rest of its request makes no sense, it may not go on. What
   * works for it is stopped; a step that has not begun yet will not begin.
   */
  cut(error: GatewayError): void {
    if (this.recorded || this.cutBy !== undefined) return;
    this.cutBy = error;
    const others = this.#others;
    this.#stop?.(error);
    for (const stop of others?.slice() ?? []) stop(error);
  }

  /** The caller may not go on: like `cut`, and a client that still reads what has been recorded already reads no further. */
  withdraw(error: GatewayError): void {
    if (!this.recorded) this.cut(error);
    else if (!this.res.writableFinished) this.res.destroy();
  }

  /** A step begins to work for this exchange and says how to stop it; called at once when it has been cut already. */
  onCut(stop: Stop): void {
    if (this.#stop === undefined) this.#stop = stop;
    else (this.#others ??= []).push(stop);
    if (this.cutBy !== undefined) stop(this.cutBy);
  }

  /** The step is done: it is told nothing more, and what it held on to is free. */
  offCut(stop: Stop): void {
    if (this.#stop === stop) this.#stop = this.#others?.pop();
    else this.#others = this.#others?.filter((other) => other !== stop);
  }

  /**
   * The record is committed, or cannot be: lets the response end and gives the slot back, unless much of an answer that is
   * held in memory still waits for its client to read it.
   */
  audited(written: boolean): void {
    const { receiver } = this;
    this.receiver = null;
    this.#stop = undefined;
    this.#others = undefined;
    this.#acknowledged = true;
    try {
      receiver?.audited(written);
    } finally {
      if (this.#closed || this.res.writableLength <= SMALL_REST) this.#leave();
      if (this.#closed) this.#inFlight.remove(this);
    }
  }

  /** The response is out, or will never be. Cuts the exchange when that was before its end. */
  closed(): void {
    this.#closed = true;
    if (!this.recorded) this.cut(new GatewayError("PROXY_005", { executed: "maybe" }));
    if (!this.#acknowledged) return;
    this.#leave();
    this.#inFlight.remove(this);
  }

  /** Its slot goes to another; no effect when it holds none. */
  leaveSlot(): void {
    const { slot } = this;
    this.slot = null;
    slot?.release(this);
  }

  /** It is not upgraded, or no longer: gives its place back if it has one. */
  leaveTunnels(): void {
    const { tunnel } = this;
    this.tunnel = null;
    tunnel?.release();
  }

  #leave(): void {
    const { bodyMemory } = this;
    this.bodyMemory = null;
    this.leaveSlot();
    if (this.tunnel !== null) this.leaveTunnels();
    bodyMemory?.release();
  }

  get kind(): RequestFacts["kind"] {
    return this.route === "proxy" || this.route === "execute" ? this.route : "api";
  }

  get principal(): Principal | undefined {
    return this.standing?.principal;
  }

  get method(): string {
    return this.req.method as string;
  }

  get path(): string {
    const target = this.head?.target ?? "";
    const query = target.indexOf("?");
    return query < 0 ? target : target.slice(0, query);
  }

  /** A request field by its lower-case name; of one sent several times, what node:http makes of them. */
  field(name: string): string | undefined {
    const value = this.req.headers[name];
    return typeof value === "object" ? value.join(", ") : value;
  }

  /** What its connection may go on in; null when it stays what it is. */
  get offer(): Offer | null {
    return (this.req.socket as { offer?: Offer }).offer ?? null;
  }

  get upgrade(): string | null {
    return this.offer?.protocol ?? null;
  }

  /** Its connection has been handed to another protocol. */
  get upgraded(): boolean {
    return this.status === 101;
  }

  /** Part of the request's body has not come yet: what follows it on the connection must not be taken for a request. */
  get unread(): boolean {
    return this.head?.bodyLength !== 0 && !this.req.complete;
  }

  get instanceId(): string {
    return this.instance?.id ?? "";
  }

  get durationMs(): number {
    return performance.now() - this.startedAt;
  }
}
