import { GatewayError } from "../../../errors.ts";
import type { Receiver } from "../../dispatch/receiver.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Responder } from "../../request/respond.ts";

/** All that a browser takes from the answer to a preflight. */
const PASSING = /^(?:access-control-.*|vary|allow)$/;
/** Bytes of a body that nobody reads. */
const MOST_BODY = 4096;

/**
 * An instance's answer to a preflight that came without a token: whoever asked learns its status and what it says of other
 * origins, nothing else of it.
 */
export class PassedPreflight implements Receiver {
  readonly #exchange: Exchange;
  readonly #responder: Responder;
  #status = 0;
  #fields: string[] = [];
  #size = 0;

  constructor(exchange: Exchange, responder: Responder) {
    this.#exchange = exchange;
    this.#responder = responder;
  }

  head(status: number, raw: readonly string[]): void {
    this.#status = status;
    this.#fields = [];
    for (let index = 0; index < raw.length; index += 2) {
      const name = raw[index] as string;
      if (PASSING.test(name)) this.#fields.push(name, raw[index + 1] as string);
    }
  }

  /** @throws GatewayError PROXY_004 */
  data(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size > MOST_BODY) throw new GatewayError("PROXY_004");
  }

  end(): void {
    const isGood = this.#status >= 200 && this.#status <= 299;
    this.#responder.fields(this.#exchange, isGood ? 204 : this.#status, this.#fields);
  }

  /** Without details, which may name addresses. */
  failed({ code, executed, retryAfter }: GatewayError): void {
    this.#responder.error(this.#exchange, new GatewayError(code, { executed, retryAfter }));
  }
}
