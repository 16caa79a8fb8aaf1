import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { GatewayError } from "../../../errors.ts";
import type { Dialer, Dialing } from "../reach/dial.ts";
import type { UpstreamControl, UpstreamHandler, UpstreamRequest, Wire } from "../upstream.ts";
import { checkSwitch } from "./check-switch.ts";
import { type ResponseEvents, ResponseParser } from "./response-parser.ts";

export interface ConnectionOptions {
  /** Makes the connection. */
  readonly dialer: Dialer;
  /** The Host field of every request. */
  readonly host: string;
  /** Read into by all connections of a thread in turn: what is kept of it is copied first. */
  readonly buffer: Buffer;
  /** The connection is free for another request. */
  readonly onFree: (connection: Connection) => void;
  /** The connection is gone; `broken`: under an attempt that was waited for. */
  readonly onGone: (connection: Connection, broken: boolean) => void;
}

const EMPTY = Buffer.alloc(0);

/** A request that is on its way when the instance closes would be lost. */
const CLOSING_MARGIN_MS = 1_000;

/** One try of a call at an instance: waits for a connection, or is served by one. */
export class Attempt implements UpstreamControl {
  readonly request: UpstreamRequest;
  readonly handler: UpstreamHandler;
  /** Nobody waits for it any more, or everything has been said. */
  ended = false;
  #connection: Connection | undefined;

  constructor(request: UpstreamRequest, handler: UpstreamHandler) {
    this.request = request;
    this.handler = handler;
  }

  /** Its connection, once it has one. */
  assign(connection: Connection): void {
    this.#connection = connection;
  }

  pause(): void {
    if (!this.ended) this.#connection?.pause();
  }

  resume(): void {
    if (!this.ended) this.#connection?.resume();
  }

  abort(): void {
    if (this.ended) return;
    this.ended = true;
    this.#connection?.destroy();
  }
}

/** One connection to an instance: connects for its first attempt, then serves one at a time. */
export class Connection implements ResponseEvents {
  readonly #options: ConnectionOptions;
  readonly #dialing: Dialing;
  /** There is one as soon as it is connected. */
  #socket: Socket | undefined;
  #address = "";
  /** Serves nothing new. */
  #retired = false;
  readonly #parser = new ResponseParser(this);
  #gone = false;
  #attempt: Attempt | undefined;
  /** The last attempt has ended in a way that leaves the connection good for another one. */
  #reusable = false;
  #paused = false;
  /** The fields of a 101, until all that was read with it has been. */
  #switched: string[] | undefined;
  /** What came behind it in the same read. */
  #early: Buffer = EMPTY;
  /** Whoever has taken it over. */
  #wire: Wire | undefined;
  /** The body of the attempt, while it is being sent. */
  #sending: Readable | undefined;
  /** When it became free, `performance.now()`. */
  freeSince = 0;

  constructor(options: ConnectionOptions, first: Attempt) {
    this.#options = options;
    this.#attempt = first;
    first.assign(this);
    this.#dialing = options.dialer.dial(
      { buffer: options.buffer, callback: (length, buffer) => this.#onRead(length, buffer as Buffer) },
      {
        onConnected: (socket, address) => this.#onConnect(socket, address),
        onFailed: (error) => this.#fail(error),
      },
    );
  }

  /** The IP address at its other end; "" before it is connected, and for a socket in the file system. */
  get address(): string {
    return this.#address;
  }

  /** When the instance may close it although nothing is wrong: some time before it said it would. `performance.now()`. */
  get goodUntil(): number {
    return this.freeSince + this.#parser.keepsAliveMs - CLOSING_MARGIN_MS;
  }

  /** Serves another attempt. The connection must be free. */
  serve(attempt: Attempt): void {
    attempt.assign(this);
    this.#attempt = attempt;
    this.#send(attempt, this.#socket as Socket);
  }

  /** Ends when the attempt it serves has: at once when there is none. */
  retire(): void {
    this.#retired = true;
    if (this.#attempt === undefined) this.destroy();
  }

  pause(): void {
    this.#paused = true;
    this.#socket?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket?.resume();
  }

  /** Ends it and the attempt it serves. */
  destroy(): void {
    this.#fail(closed());
  }

  onHead(status: number, fields: string[]): void {
    if (this.#attempt?.ended === false) this.#attempt.handler.onHead(status, fields);
  }

  onHints(fields: string[]): void {
    if (this.#attempt?.ended === false) this.#attempt.handler.onHints?.(fields);
  }

  onTrailers(fields: string[]): void {
    if (this.#attempt?.ended === false) this.#attempt.handler.onTrailers?.(fields);
  }

  onSwitch(fields: string[]): void {
    checkSwitch(fields, this.#attempt?.request.upgrade);
    this.#switched = fields;
  }

  onBody(chunk: Buffer): void {
    if (this.#switched !== undefined) {
      this.#early = Buffer.from(chunk);
      return;
    }
    if (this.#attempt?.ended === false) this.#attempt.handler.onData(Buffer.from(chunk)); // a copy: the buffer is read into again
  }

  onComplete(reusable: boolean): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    // An answer that came before the whole request had been sent: what follows of it must not be taken for another one.
    this.#reusable = reusable && this.#sending === undefined;
    if (attempt === undefined || attempt.ended) return;
    attempt.ended = true;
    attempt.handler.onEnd();
  }

  #onConnect(socket: Socket, address: string): void {
    this.#socket = socket;
    this.#address = address;
    socket
      .on("error", (error) => this.#fail(error))
      .on("end", () => this.#onEnd())
      .on("close", () => this.#fail(closed()));
    if (this.#attempt !== undefined) this.#send(this.#attempt, socket);
  }

  #send(attempt: Attempt, socket: Socket): void {
    attempt.handler.onSent();
    const { request } = attempt;
    this.#parser.expect(request.method, (request.upgrade ?? null) !== null);
    const { body } = request;
    try {
      if (body === null) socket.write(headOf(request, this.#options.host, ""), "latin1");
      else if (typeof body === "string") this.#sendWhole(request, body, socket);
      else this.#sendStream(request, body, socket);
    } catch (error) {
      this.#fail(error as Error); // it would end the thread: nobody stands above us
    }
  }

  #sendWhole(request: UpstreamRequest, body: string, socket: Socket): void {
    socket.cork();
    const length = `content-length: ${Buffer.byteLength(body)}\r\n`;
    socket.write(headOf(request, this.#options.host, length), "latin1");
    socket.write(body, "utf8");
    socket.uncork();
  }

  #sendStream(request: UpstreamRequest, body: Readable, socket: Socket): void {
    const chunked = !hasField(request.headers, "content-length");
    const framing = chunked ? "transfer-encoding: chunked\r\n" : "";
    socket.write(headOf(request, this.#options.host, framing), "latin1");
    this.#sending = body;
    const onDrain = (): void => void body.resume();
    const stop = (): void => {
      socket.off("drain", onDrain);
      if (this.#sending === body) this.#sending = undefined;
    };
    socket.on("drain", onDrain);
    body
      .on("data", (chunk: Buffer) => {
        if (this.#sending !== body || chunk.length === 0) return;
        if (chunked) socket.write(`${chunk.length.toString(16)}\r\n`, "latin1");
        let more = socket.write(chunk);
        if (chunked) more = socket.write("\r\n", "latin1");
        if (!more) body.pause();
      })
      .once("end", () => {
        if (chunked && this.#sending === body) socket.write("0\r\n\r\n", "latin1");
        stop();
      })
      .once("error", (error) => this.#fail(error))
      .once("close", stop);
  }

  /** Returns whether to go on reading. */
  #onRead(length: number, buffer: Buffer): boolean {
    if (this.#wire !== undefined) {
      this.#wire.onData(Buffer.from(buffer.subarray(0, length)));
      return true;
    }
    try {
      this.#parser.read(buffer.subarray(0, length));
    } catch (error) {
      this.#fail(error as Error);
    }
    if (this.#switched !== undefined && !this.#gone) this.#handOver(this.#switched);
    // Only now: bytes behind the end of the response have been seen by then.
    if (this.#attempt === undefined && !this.#gone) this.#free();
    return true;
  }

  /** From here on it is no connection of the pool's: it may last for days, and is ended by whoever takes it. */
  #handOver(fields: readonly string[]): void {
    const attempt = this.#attempt as Attempt;
    const socket = this.#socket as Socket;
    this.#gone = true;
    this.#attempt = undefined;
    this.#options.onGone(this, false);
    if (attempt.ended) return void socket.destroy();
    attempt.ended = true;
    socket.allowHalfOpen = true;
    this.#wire = { socket, early: this.#early, onData: () => undefined };
    this.#early = EMPTY;
    attempt.handler.onSwitch(fields, this.#wire);
  }

  #free(): void {
    // Also when the instance has answered without taking all of the body: the next request would wait behind the rest.
    if (!this.#reusable || this.#retired || (this.#socket as Socket).writableLength > 0) return this.#fail(closed());
    this.#reusable = false;
    // The read that completed the answer may also have paused it: nobody else would read on.
    if (this.#paused) this.resume();
    this.#options.onFree(this);
  }

  /** An instance that closes too early is a broken connection to whoever waits for it, not bad HTTP. */
  #onEnd(): void {
    try {
      this.#parser.close();
    } catch {
      // told below
    }
    this.#fail(closed());
  }

  #fail(error: Error): void {
    if (this.#gone) return;
    this.#gone = true;
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#sending?.destroy();
    this.#sending = undefined;
    this.#dialing.cancel();
    this.#socket?.destroy();
    const broken = attempt !== undefined && !attempt.ended;
    this.#options.onGone(this, broken);
    if (!broken) return;
    attempt.ended = true;
    attempt.handler.onError(error);
  }
}

/** What must not be in a field or it would be two. Fields were checked when they came in; this is the last line. */
const LINE_BREAK = /[\0\r\n]/;

function headOf({ method, path, headers, host }: UpstreamRequest, own: string, framing: string): string {
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host ?? own}\r\n`;
  for (let index = 0; index < headers.length; index += 2) {
    const value = headers[index + 1] as string;
    if (LINE_BREAK.test(value)) throw new GatewayError("GW_001", { details: "line break in a request field" });
    head += `${headers[index] as string}: ${value}\r\n`;
  }
  return `${head}${framing}\r\n`;
}

/** Names stand at even places: a value that reads like a name is not one. */
function hasField(fields: readonly string[], name: string): boolean {
  for (let index = 0; index < fields.length; index += 2) if (fields[index] === name) return true;
  return false;
}

function closed(): Error {
  return Object.assign(new Error("the instance closed the connection"), { code: "ECONNRESET" });
}
