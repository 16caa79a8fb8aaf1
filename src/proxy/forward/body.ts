import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { GatewayError } from "../../errors.ts";
import type { Dispatch } from "../dispatch/dispatch.ts";
import type { Exchange } from "../request/exchange.ts";
import { checkTrailers } from "../request/head.ts";

/**
 * A client's body on its way to an instance, streamed: counted, bounded, with its trailers checked before the end is
 * passed on. It reads nothing before it is read itself, so an attempt that never got a connection leaves the request
 * untouched for the next one; and its destruction does not destroy the request, as undici would.
 */
export class RequestBody extends Readable {
  readonly #req: IncomingMessage;
  readonly #dispatch: Dispatch;
  readonly #limit: number;
  #attached = false;

  constructor(options: { req: IncomingMessage; dispatch: Dispatch; limit: number }) {
    super();
    this.#req = options.req;
    this.#dispatch = options.dispatch;
    this.#limit = options.limit;
  }

  override _read(): void {
    if (!this.#attached) {
      this.#attached = true;
      this.#req.on("data", this.#onData).once("end", this.#onEnd);
    }
    this.#dispatch.bodyProgress("client");
    this.#req.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#req.off("data", this.#onData).off("end", this.#onEnd);
    // Unless somebody reads on, to let the client finish.
    if (this.#req.listenerCount("data") === 0) this.#req.pause();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    const { exchange } = this.#dispatch;
    exchange.bytesIn += chunk.length;
    if (exchange.bytesIn > this.#limit) return this.#refuse(tooLarge(this.#limit));
    if (this.push(chunk)) return this.#dispatch.bodyProgress("client");
    this.#req.pause();
    this.#dispatch.bodyProgress("instance");
  };

  readonly #onEnd = (): void => {
    try {
      checkTrailers(this.#req);
    } catch (error) {
      return this.#refuse(error as GatewayError);
    }
    this.#dispatch.bodyProgress("instance");
    this.push(null);
  };

  #refuse(error: GatewayError): void {
    this.#dispatch.cancel(error, "cut");
  }
}

/** @throws GatewayError VAL_004 when the declared length is over the limit: before a byte of it is read. */
export function checkBodyLength(length: number, limit: number): void {
  if (length > limit) throw tooLarge(limit);
}

/**
 * Reads a whole body.
 * @throws GatewayError VAL_004 over `limit` bytes, VAL_008 when it does not move for `timeoutMs`, and whatever the exchange
 *   is cut with.
 */
export function readBody(exchange: Exchange, options: { limit: number; timeoutMs: number }): Promise<Buffer> {
  const { req } = exchange;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => fail(new GatewayError("VAL_008")), options.timeoutMs);
    const stop = (): void => {
      clearTimeout(timer);
      req.off("data", onData).off("end", onEnd);
      req.pause();
    };
    const fail = (error: GatewayError): void => {
      stop();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > options.limit) return fail(tooLarge(options.limit));
      chunks.push(chunk);
      timer.refresh();
    };
    const onEnd = (): void => {
      stop();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
    };
    req.on("data", onData).once("end", onEnd);
    exchange.onCut(fail);
  });
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError("VAL_004", { details: `The limit is ${limit} bytes` });
}
