import { lastRefusedExpiry } from "../../domain/token.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Streams } from "../../limits/streams.ts";
import type { InFlight } from "../request/in-flight.ts";
import { expired } from "./admit.ts";

const SWEEP_MS = 250;

/**
 * Counts answers that go on for a while as streams, and ends upgraded connections, which have no end of their own, with what
 * speaks for their callers. Nothing is set up for each of them: all are looked at now and then.
 */
export class LongAnswers {
  readonly #inFlight: InFlight<Exchange>;
  readonly #streams: () => Streams;
  readonly #afterMs: number;
  readonly #skewMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(options: {
    inFlight: InFlight<Exchange>;
    streams: () => Streams;
    /** What a forwarded answer may take as a request, ms. */
    afterMs: number;
    /** Clock difference that is tolerated in a token's end, ms. */
    skewMs: number;
  }) {
    this.#inFlight = options.inFlight;
    this.#streams = options.streams;
    this.#afterMs = options.afterMs;
    this.#skewMs = options.skewMs;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const before = performance.now() - this.#afterMs;
    const over = lastRefusedExpiry(Date.now(), this.#skewMs);
    const streams = this.#streams();
    for (const exchange of this.#inFlight) {
      const { route, status, recorded, startedAt, principal, upgraded } = exchange;
      if (upgraded && principal !== undefined && principal.expiresAt <= over) {
        exchange.withdraw(expired());
        continue;
      }
      if (route === "proxy" && status !== 0 && !recorded && startedAt <= before) streams.become(exchange);
    }
  }
}
