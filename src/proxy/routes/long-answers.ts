import type { Exchange } from "../request/exchange.ts";
import type { Streams } from "../../limits/streams.ts";
import type { InFlight } from "../request/in-flight.ts";

const SWEEP_MS = 250;

/** Counts answers that go on for a while as streams; nothing is set up for each of them, all are looked at now and then. */
export class LongAnswers {
  readonly #inFlight: InFlight<Exchange>;
  readonly #streams: () => Streams;
  readonly #afterMs: number;
  readonly #timer: NodeJS.Timeout;

  /** `afterMs`: what a forwarded answer may take as a request. */
  constructor(options: { inFlight: InFlight<Exchange>; streams: () => Streams; afterMs: number }) {
    this.#inFlight = options.inFlight;
    this.#streams = options.streams;
    this.#afterMs = options.afterMs;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const before = performance.now() - this.#afterMs;
    const streams = this.#streams();
    for (const exchange of this.#inFlight) {
      const { route, status, recorded, startedAt } = exchange;
      if (route === "proxy" && status !== 0 && !recorded && startedAt <= before) streams.become(exchange);
    }
  }
}
