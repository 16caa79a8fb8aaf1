import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { GatewayError } from "../errors.ts";
import type { Dispatch } from "./dispatch.ts";
import { checkTrailers } from "./gate.ts";

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
      this.#dispatch.bodyProgress(false);
    }
    this.#req.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#req.off("data", this.#onData).off("end", this.#onEnd);
    this.#req.pause();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    const { exchange } = this.#dispatch;
    exchange.bytesIn += chunk.length;
    if (exchange.bytesIn > this.#limit) return this.#refuse(tooLarge(this.#limit));
    this.#dispatch.bodyProgress(false);
    if (!this.push(chunk)) this.#req.pause();
  };

  readonly #onEnd = (): void => {
    try {
      checkTrailers(this.#req);
    } catch (error) {
      return this.#refuse(error as GatewayError);
    }
    this.#dispatch.bodyProgress(true);
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
 * @throws GatewayError VAL_004 over `limit` bytes, VAL_008 when it does not move for `timeoutMs`, PROXY_005 when the client leaves.
 */
export function readBody(req: IncomingMessage, options: { limit: number; timeoutMs: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => fail(new GatewayError("VAL_008")), options.timeoutMs);
    const stop = (): void => {
      clearTimeout(timer);
      req.off("data", onData).off("end", onEnd).off("close", onClose);
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
    const onClose = (): void => fail(new GatewayError("PROXY_005"));
    req.on("data", onData).once("end", onEnd).once("close", onClose);
  });
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError("VAL_004", { details: `The limit is ${limit} bytes` });
}
