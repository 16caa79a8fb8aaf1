import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { GatewayError } from "../../errors.ts";
import type { BodyControl } from "../dispatch/outbound.ts";
import type { Exchange } from "../request/exchange.ts";
import type { KeptBody } from "./kept-body.ts";
import { checkTrailers } from "../request/head.ts";
import { type MinimumRate, TransferRate } from "../request/transfer-rate.ts";
import { tooLarge } from "../request/read-body.ts";

/**
 * A client's body on its way to an instance, streamed: counted, bounded, with its trailers checked before the end is
 * passed on. It reads nothing before it is read itself, so an attempt that never got a connection leaves the request
 * untouched for the next one; and its destruction does not destroy the request, as undici would. What an earlier attempt
 * has read is sent again from `kept`; without that, nothing may have been read.
 */
export class RequestBody extends Readable {
  readonly #exchange: Exchange;
  readonly #req: IncomingMessage;
  readonly #control: BodyControl;
  readonly #limit: number;
  readonly #rate: TransferRate;
  readonly #kept: KeptBody | null;
  readonly #begun: readonly Buffer[];
  #attached = false;

  constructor(options: {
    exchange: Exchange;
    control: BodyControl;
    limit: number;
    minimumRate: MinimumRate;
    kept: KeptBody | null;
    /** What has been read of it already, and goes before all that comes. */
    begun: readonly Buffer[];
  }) {
    super();
    this.#kept = options.kept;
    this.#begun = options.begun;
    this.#rate = new TransferRate(options.minimumRate);
    this.#exchange = options.exchange;
    this.#req = options.exchange.req;
    this.#control = options.control;
    this.#limit = options.limit;
  }

  override _read(): void {
    if (!this.#attached) {
      this.#attached = true;
      for (const chunk of this.#begun) this.push(chunk);
      if (this.#kept !== null) for (const chunk of this.#kept.chunks) this.push(chunk);
      if (this.#req.readableEnded) return this.#onEnd();
      this.#req.on("data", this.#onData).once("end", this.#onEnd);
    }
    this.#control.bodyProgress("client");
    this.#rate.wait(performance.now());
    this.#req.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#req.off("data", this.#onData).off("end", this.#onEnd);
    // Unless somebody reads on, to let the client finish.
    if (this.#req.listenerCount("data") === 0) this.#req.pause();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#exchange.bytesIn += chunk.length;
    if (this.#exchange.bytesIn > this.#limit) return this.#refuse(tooLarge(this.#limit));
    this.#kept?.add(chunk);
    this.#rate.moved(chunk.length);
    const now = performance.now();
    if (this.#rate.isTooSlow(now)) return this.#refuse(new GatewayError("PROXY_006", { details: "too slow" }));
    if (this.push(chunk)) return this.#control.bodyProgress("client");
    this.#rate.rest(now);
    this.#req.pause();
    this.#control.bodyProgress("instance");
  };

  readonly #onEnd = (): void => {
    try {
      checkTrailers(this.#req);
    } catch (error) {
      return this.#refuse(error as GatewayError);
    }
    this.#control.bodyProgress("instance");
    this.push(null);
  };

  #refuse(error: GatewayError): void {
    this.#control.cancel(error, "cut");
  }
}
