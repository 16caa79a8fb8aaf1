import type { ServerResponse } from "node:http";
import type { Deadlines, Watched } from "./deadlines.ts";

/** Bytes handed to a connection at a time: a client must take one such piece within the time it has to read on. */
const PIECE = 64 * 1024;

export interface DeliveryOptions {
  readonly deadlines: Deadlines;
  /** Milliseconds a client may take before it reads on. */
  readonly timeoutMs: number;
  /** A client has been cut off because it did not read. */
  readonly onStalled: () => void;
}

/**
 * The ends of responses: what is decided and recorded, and only has to reach the client. One that does not read, or hardly,
 * is cut off, and what was kept for it is given back.
 */
export class Deliveries {
  readonly #options: DeliveryOptions;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Ends a response with what is left of its body, at the pace at which the client reads. */
  end(res: ServerResponse, body: readonly Buffer[]): void {
    const pieces = body.flatMap((chunk) => (chunk.length <= PIECE ? chunk : cut(chunk)));
    new Delivery(res, pieces, this.#options).start();
  }

  /** Ends a response with a body that is in memory as text. */
  endText(res: ServerResponse, body: string): void {
    // Text that joins the head in one write is the usual case: it has gone out before anybody could watch over it.
    if (body.length > PIECE) return this.end(res, [Buffer.from(body)]);
    res.end(body);
    this.watch(res);
  }

  /** Looks after a response that has been ended: what the connection has not taken yet has to go out in time. */
  watch(res: ServerResponse): void {
    if (res.socket === null || res.socket.writableLength === 0) return;
    new Delivery(res, [], this.#options).start();
  }
}

/** One response on its last way. */
class Delivery implements Watched {
  deadline = Number.POSITIVE_INFINITY;
  place = -1;
  readonly #res: ServerResponse;
  readonly #options: DeliveryOptions;
  #left: readonly Buffer[];

  constructor(res: ServerResponse, body: readonly Buffer[], options: DeliveryOptions) {
    this.#res = res;
    this.#left = body;
    this.#options = options;
  }

  start(): void {
    const { deadlines } = this.#options;
    deadlines.watch(this);
    this.#res.once("close", () => deadlines.unwatch(this)).on("drain", this.#more);
    this.#more();
  }

  expire(): void {
    this.#options.deadlines.unwatch(this);
    this.#left = [];
    this.#options.onStalled();
    cutOff(this.#res);
  }

  readonly #more = (): void => {
    this.deadline = performance.now() + this.#options.timeoutMs;
    if (this.#res.writableEnded) return;
    const last = this.#left.length - 1;
    for (const [index, piece] of this.#left.entries()) {
      if (index === last) return void this.#res.end(piece);
      if (this.#res.write(piece)) continue;
      this.#left = this.#left.slice(index + 1);
      return;
    }
    this.#res.end();
  };
}

/**
 * Ends a response in the middle so that nobody takes it for whole. By a reset: the kernel would keep what it has taken for a
 * client that does not read, and offer it on for minutes.
 */
export function cutOff(res: ServerResponse): void {
  res.socket?.resetAndDestroy();
  res.destroy();
}

function cut(chunk: Buffer): Buffer[] {
  const count = Math.ceil(chunk.length / PIECE);
  return Array.from({ length: count }, (_, index) => chunk.subarray(index * PIECE, (index + 1) * PIECE));
}
