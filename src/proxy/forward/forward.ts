import type { AuditReceiver } from "../../audit/outbox.ts";
import type { Settings } from "../../domain/settings/settings.ts";
import type { ResponseChange, Transformation } from "../../domain/transform/transformation.ts";
import type { GatewayError } from "../../errors.ts";
import type { Streams } from "../../limits/streams.ts";
import { BodyMemory } from "../../limits/body-memory.ts";
import type { Cap } from "../../limits/cap.ts";
import type { Mappers } from "../../transform/mapper/mappers.ts";
import { RequestBody } from "./body.ts";
import { withPolicy } from "./cors/policy.ts";
import { KEPT_MOST, KeptBody } from "./kept-body.ts";
import type { BodyControl, Outbound } from "../dispatch/outbound.ts";
import type { AnswerControl, Receiver, TunnelControl } from "../dispatch/receiver.ts";
import { isIdempotent } from "../dispatch/retry.ts";
import type { Wire } from "../upstream/upstream.ts";
import type { Deadlines } from "../request/deadlines.ts";
import { Heartbeat, mayBeat } from "./event-stream/heartbeat.ts";
import { isEventStream } from "./event-stream/media-type.ts";
import { cutOff, type Deliveries } from "../request/delivery.ts";
import type { Exchange, Offer } from "../request/exchange.ts";
import type { Head } from "../request/head.ts";
import { requestFields, responseFields } from "./headers.ts";
import { asksForTrailers, passingTrailers, trailersNamed } from "./trailers.ts";
import { transformedHead } from "./transform/outgoing.ts";
import type { Prepared } from "./transform/prepare.ts";
import { responseVariables } from "./transform/variables.ts";
import { Tunnel } from "./tunnel.ts";
import { linger } from "../request/linger.ts";
import type { BodyLimits } from "../request/read-body.ts";
import type { MinimumRate } from "../request/transfer-rate.ts";
import type { Recorder } from "../request/record.ts";
import type { Responder } from "../request/respond.ts";

/** What every forwarded request of a thread shares. */
export interface ForwardContext {
  readonly recorder: Recorder;
  readonly responder: Responder;
  readonly heads: HeadFlusher;
  readonly streams: Streams;
  readonly deliveries: Deliveries;
  readonly deadlines: Deadlines;
  /** This gateway's name in Via. */
  readonly pseudonym: string;
  readonly maxBodySize: number;
  /** Of all bodies together, in units of BODY_UNIT bytes. */
  readonly bodyMemory: Cap;
  /** Of a client's body. */
  readonly minimumRate: MinimumRate;
  /** Of one that is read whole. */
  readonly bodyLimits: Omit<BodyLimits, "size">;
  readonly mappers: Mappers;
}

/** Bytes up to which copying a body is cheaper than writing it apart from its head. */
const ONE_WRITE = 4096;

/** Where a call goes in the sandbox, and what holds there. */
export interface Passage {
  /** The part of the target that is the sandbox's own. */
  readonly path: string;
  readonly settings: Settings;
  readonly transformation: Transformation | null;
  /** What has been made of its body, or read of it, before. */
  readonly prepared: Prepared | null;
}

/** The request as it goes to an instance, of an exchange that says whether it keeps its prefix. @throws GatewayError ROUTE_007, VAL_012 */
export function outbound(
  exchange: Exchange,
  head: Head,
  { path, settings, transformation, prepared }: Passage,
  context: ForwardContext,
): Outbound {
  exchange.heartbeatMs = settings.sseHeartbeat ?? 0;
  exchange.toldHost = toldHost(settings.hostHeader, head);
  const idempotent = isIdempotent(exchange.method) || head.idempotencyKey !== undefined;
  const mayKeep = idempotent && prepared === null && head.bodyLength !== 0 && head.bodyLength <= KEPT_MOST;
  const kept = mayKeep ? keep(exchange, context) : null;
  const { maxBodySize: limit, minimumRate } = context;
  let target = exchange.keepsPrefix ? head.target : path;
  let headers = requestFields(exchange.req.rawHeaders, head, exchange, context.pseudonym);
  if (transformation !== null) {
    const untouched = { path: target, headers };
    ({ path: target, headers } = transformedHead(untouched, path, transformation, { exchange, prepared }));
  }
  const begun = prepared?.kind === "begun" ? prepared.chunks : NOTHING;
  return {
    method: exchange.method,
    path: target,
    headers,
    body:
      prepared?.kind === "transformed"
        ? prepared.text
        : head.bodyLength === 0
          ? null
          : (control: BodyControl) => new RequestBody({ exchange, control, limit, minimumRate, kept, begun }),
    upgrade: exchange.offer,
    // What is sent again is what was sent; larger bodies never are, transformed or not.
    idempotent: idempotent && (prepared?.kind !== "transformed" || prepared.text.length <= KEPT_MOST),
    kept,
  };
}

const NOTHING: readonly Buffer[] = [];

function toldHost(setting: string | undefined, { host }: Head): string | null {
  if (setting === undefined || setting === "instance") return null;
  if (setting !== "client") return setting;
  return host === "" ? null : host;
}

function keep(exchange: Exchange, context: ForwardContext): KeptBody {
  const memory = new BodyMemory({ cap: context.bodyMemory, callerKey: exchange.callerKey });
  exchange.bodyMemory = memory;
  return new KeptBody(memory);
}

/**
 * An instance's answer on its way to the client, streamed. The first bytes wait for the end of the event-loop turn in which
 * they came: most answers are complete by then and go out in one piece, and what broke until then can still be told as an
 * error. What ends the response (the bytes that complete its Content-Length, or the last chunk) is held back until the
 * audit record is committed; everything else flows.
 */
export class Forward implements Receiver, AuditReceiver, HeldHead {
  readonly #exchange: Exchange;
  readonly #context: ForwardContext;
  #answer: AnswerControl | undefined;
  #fields: string[] | undefined;
  #headWritten = false;
  /** Bytes of a declared length still to come; -1 when none was declared. */
  #left = -1;
  /** Bytes that have come and are not written yet. */
  #held: Buffer[] = [];
  #paused = false;
  /** Names of the fields that were promised to come behind the body. */
  #promised: readonly string[] = NO_NAMES;
  #trailers: [name: string, value: string][] | undefined;
  #tunnel: Tunnel | undefined;
  #heartbeat: Heartbeat | undefined;
  readonly #change: ResponseChange | null;

  /** `change`: what becomes of the answer's fields; null when they pass. */
  constructor(exchange: Exchange, context: ForwardContext, change: ResponseChange | null) {
    this.#exchange = exchange;
    this.#context = context;
    this.#change = change;
  }

  head(status: number, raw: readonly string[], control: AnswerControl): void {
    this.#answer = control;
    this.#exchange.leaveTunnels();
    if (isEventStream(raw)) this.#beginStream(status, raw);
    const { fields, contentLength, trailer } = responseFields(raw, this.#exchange);
    if (trailer !== null && contentLength < 0) this.#promise(trailer, status, fields);
    this.#exchange.status = status;
    const { cors } = this.#exchange;
    const changed = this.#changed(fields, status);
    this.#fields = cors === null ? changed : withPolicy(changed, cors);
    this.#left = contentLength;
    this.#context.heads.add(this);
  }

  data(chunk: Buffer): void {
    this.#exchange.bytesOut += chunk.length;
    if (this.#left >= 0) this.#left -= chunk.length;
    this.#held.push(chunk);
    if (this.#headWritten && this.#left !== 0) this.#flow();
  }

  /** What a client could fetch already; nothing else of a 103. Old clients would take it for the answer. */
  hints(fields: readonly string[]): void {
    const { req, res } = this.#exchange;
    if (this.#headWritten || res.destroyed || req.httpVersionMinor === 0) return;
    const link = fields.filter((_, index) => index % 2 === 1 && fields[index - 1] === "link");
    try {
      if (link.length > 0) res.writeEarlyHints({ link });
    } catch {
      // Not a link that node:http would send: a hint that is not given costs nothing.
    }
  }

  trailers(fields: readonly string[]): void {
    if (this.#promised.length > 0) this.#trailers = trailersNamed(fields, this.#promised);
  }

  switched(raw: readonly string[], wire: Wire, control: TunnelControl): void {
    const exchange = this.#exchange;
    const { fields } = responseFields(raw, exchange);
    exchange.status = 101;
    exchange.leaveSlot(); // it has a place among the tunnels
    const told = this.#changed(fields, 101);
    this.#tunnel = new Tunnel({ exchange, fields: told, wire, control, recorder: this.#context.recorder });
    this.#tunnel.open();
  }

  end(): void {
    this.#heartbeat?.stop();
    this.#context.recorder.record(this.#exchange, this);
  }

  failed(error: GatewayError): void {
    this.#heartbeat?.stop();
    if (this.#tunnel !== undefined) return this.#tunnel.fail(error);
    const exchange = this.#exchange;
    if (!this.#headWritten && !exchange.res.destroyed) {
      exchange.bytesOut = 0;
      return this.#context.responder.error(exchange, error);
    }
    // Part of the answer is out: the client must see a broken transfer, never a shorter one that looks whole.
    if (!this.#headWritten) exchange.status = error.status;
    exchange.outcome = error.code;
    this.#context.recorder.refusal(error);
    this.#context.recorder.record(exchange, null);
    // Where the end of the connection is the end of the body, only a reset tells that something is missing.
    if (exchange.req.httpVersionMinor === 0 || error.code === "PROXY_006") cutOff(exchange.res);
    else exchange.res.destroy();
  }

  audited(written: boolean): void {
    const { res } = this.#exchange;
    if (res.destroyed) return;
    if (written) {
      this.#writeHead();
      this.#end();
    } else if (this.#headWritten) {
      res.destroy();
    } else {
      this.#context.responder.unrecorded(this.#exchange);
    }
  }

  /** The turn is over: what has come goes out, unless it is the whole answer. */
  flushHead(): void {
    const { res, recorded, offer } = this.#exchange;
    if (recorded || this.#left === 0 || res.destroyed) return;
    this.#writeHead();
    this.#heartbeat?.start();
    if (offer !== null) this.#refuse(offer);
    if (this.#held.length === 0) res.flushHeaders();
    else this.#flow();
  }

  #changed(fields: string[], status: number): string[] {
    const { headers = null } = this.#change ?? {};
    if (headers === null) return fields;
    const exchange = this.#exchange;
    const changed = headers(fields, responseVariables(exchange, status));
    const cookie = exchange.bond?.cookie ?? null;
    // The cookies that a transformation may take away are the sandbox's.
    if (cookie !== null && !changed.includes(cookie)) changed.push("set-cookie", cookie);
    return changed;
  }

  /** It is not known when it ends. */
  #beginStream(status: number, raw: readonly string[]): void {
    const { streams, deadlines } = this.#context;
    const { res, heartbeatMs: afterMs, method } = this.#exchange;
    streams.begin(this.#exchange);
    if (afterMs === 0 || method === "HEAD" || !mayBeat(status, raw)) return;
    this.#heartbeat = new Heartbeat({ to: res, deadlines, afterMs });
  }

  /** Announces the trailers that may come, to a client that can take them. */
  #promise(announced: string, status: number, fields: string[]): void {
    const { req } = this.#exchange;
    const hasChunks = req.httpVersionMinor === 1 && req.method !== "HEAD" && status !== 204 && status !== 304;
    if (!hasChunks || !asksForTrailers(this.#exchange.field("te"))) return;
    this.#promised = passingTrailers(announced);
    if (this.#promised.length > 0) fields.push("trailer", this.#promised.join(", "));
  }

  #writeHead(): void {
    if (this.#headWritten || this.#fields === undefined) return;
    this.#headWritten = true;
    const { res, status, unread } = this.#exchange;
    if (unread) this.#fields.push("connection", "close");
    res.writeHead(status, this.#fields);
  }

  /** What came behind an offer that was not taken up is nobody's; it is read so that the client's leaving is noticed. */
  #refuse(offer: Offer): void {
    const { socket } = this.#exchange.req;
    offer.decided();
    socket.once("end", () => socket.end()).resume();
  }

  #flow(): void {
    const held = this.#held;
    this.#held = [];
    let more = true;
    for (const chunk of held) more = this.#exchange.res.write(this.#heartbeat?.pass(chunk) ?? chunk);
    if (!more) this.#pause();
  }

  #end(): void {
    const { req, res, unread } = this.#exchange;
    const { deliveries } = this.#context;
    const held = this.#held;
    this.#held = [];
    if (this.#trailers !== undefined) res.addTrailers(this.#trailers);
    if (unread) {
      for (const chunk of held) res.write(chunk);
      return linger(req, () => {
        res.end();
        deliveries.watch(res);
      });
    }
    if (held.length > 1) return deliveries.end(res, held);
    const [last] = held;
    // As a string of bytes a small body joins the head in one write; as a buffer it would need a vector of two.
    if (last !== undefined && last.length <= ONE_WRITE) res.end(last.toString("latin1"), "latin1");
    else res.end(last);
    deliveries.watch(res);
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#answer?.pause();
    this.#exchange.res.once("drain", () => {
      this.#paused = false;
      this.#answer?.resume();
    });
  }
}

const NO_NAMES: readonly string[] = [];

/** Something that keeps a response head back in the hope that body bytes follow at once. */
export interface HeldHead {
  flushHead(): void;
}

/** Lets held heads go at the end of the event-loop turn in which they came: one callback a turn, not one a request. */
export class HeadFlusher {
  #held: HeldHead[] = [];

  add(item: HeldHead): void {
    if (this.#held.push(item) === 1) setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    const held = this.#held;
    this.#held = [];
    for (const item of held) item.flushHead();
  };
}
