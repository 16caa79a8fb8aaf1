import {
  type Circuit,
  circuitFrom,
  circuitWord,
  generationOf,
  hasPast,
  isClosed,
  isUntroubled,
  NEW_CIRCUIT,
} from "./circuit-word.ts";

/** Words about circuits in shared memory, by place. Times are ticks of `now`. */
export interface CircuitWords {
  /** See circuit-word.ts. */
  readonly word: Int32Array;
  /**
   * When an open one may be probed; when the probe of a half-open one counts as lost. Two words a place, one for the
   * generation that is and one for the one before and after it: so a try that is given back leaves the time that was over
   * when it began, and writes none that might be another's.
   */
  readonly until: Int32Array;
  /** When it closed last. */
  readonly closedAt: Int32Array;
  /** When the window of the error rate began, and what had been counted by then. */
  readonly windowFrom: Int32Array;
  readonly requestsBefore: Int32Array;
  readonly failuresBefore: Int32Array;
  /** [0] when somebody began to open a circuit, while that goes on; else 0. */
  readonly opening: Int32Array;
  /** All attempts ever, and those that failed; one lane per thread, which alone writes it. */
  readonly requests: readonly Int32Array[];
  readonly failures: readonly Int32Array[];
}

/** When a circuit opens, and for how long. Times in ms. */
export interface CircuitLimits {
  /** Opens after so many failures in a row; 0 = circuits are off. */
  readonly failures: number;
  /** Opens when of at least `minRequests` within `windowMs` this part failed, 0 to 1. */
  readonly errorRate: number;
  readonly windowMs: number;
  readonly minRequests: number;
  /** Stays open for `openMs` × the times it opened, at most `maxOpenMs`, and up to a fifth longer. */
  readonly openMs: number;
  readonly maxOpenMs: number;
  /** A probe without an outcome counts as lost after this time. */
  readonly probeMs: number;
}

/** What a call holds of a circuit: which of its lives it began in, and whether it is the probe. */
export type Ticket = number;
/** The circuit is open: the call must not go there. */
export const REFUSED: Ticket = -1;

/** Whether the call is the one that tries an open circuit. */
export function isProbe(ticket: Ticket): boolean {
  return ticket > 0 && (ticket & 1) === 1;
}

/** No call's: none began while it was open. */
const OPEN: Ticket = -2;

/** Opening a circuit takes microseconds; a thread that has been at it for so long is dead. */
const OPENING_MS = 1_000;

/** Ten milliseconds. */
export const TICK_MS = 10;
const JITTER = 0.2;

/** Ticks of a clock that all threads share (CLOCK_MONOTONIC). They wrap: only their differences mean something. */
export function monotonicTicks(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return (seconds * (1_000 / TICK_MS) + Math.floor(nanoseconds / (TICK_MS * 1e6))) | 0;
}

/**
 * The circuits of all instances, exact over all threads: each is one word that changes by compare-and-swap. Closed, it lets
 * everything pass; open, nothing; when its time is over it lets one call pass, the probe, whose outcome closes it or opens
 * it again for longer. A probe that ends without an outcome gives its turn back, and one that vanishes loses it in time.
 * Whoever reports holds a claim on the instance, so the place is still its own.
 */
export class Circuits {
  readonly #words: CircuitWords;
  readonly #requests: Int32Array | undefined;
  readonly #failures: Int32Array | undefined;
  readonly #limits: CircuitLimits;
  readonly #now: () => number;
  readonly #random: () => number;

  /** `thread`: whose calls are counted; leave it out to only look. */
  constructor(options: {
    words: CircuitWords;
    thread?: number;
    limits: CircuitLimits;
    now?: () => number;
    random?: () => number;
  }) {
    this.#words = options.words;
    this.#requests = options.thread === undefined ? undefined : options.words.requests[options.thread];
    this.#failures = options.thread === undefined ? undefined : options.words.failures[options.thread];
    this.#limits = options.limits;
    this.#now = options.now ?? monotonicTicks;
    this.#random = options.random ?? Math.random;
  }

  circuit(place: number): Circuit {
    return circuitFrom(Atomics.load(this.#words.word, place));
  }

  /** Milliseconds until an open circuit may be probed; 0 when it may be. */
  opensInMs(place: number): number {
    return Math.max(0, this.#left(place, Atomics.load(this.#words.word, place))) * TICK_MS;
  }

  /** Milliseconds since it closed, or since its place was given out. */
  closedForMs(place: number): number {
    return Math.max(0, (this.#now() - Atomics.load(this.#words.closedAt, place)) | 0) * TICK_MS;
  }

  /** Whether a call might pass now. */
  admits(place: number): boolean {
    const now = Atomics.load(this.#words.word, place);
    return isClosed(now) || this.#left(place, now) <= 0;
  }

  /** A call is about to go there. REFUSED when it must not. */
  claim(place: number): Ticket {
    const { word } = this.#words;
    const now = Atomics.load(word, place);
    if (isClosed(now)) {
      this.#count(this.#requests, place);
      return closedTicket(now);
    }
    if (this.#left(place, now) > 0) return REFUSED;
    const circuit = circuitFrom(now);
    const probe = circuitWord({ ...circuit, state: "half-open", generation: circuit.generation + 1 });
    this.#setUntil(place, circuit.generation + 1, this.#limits.probeMs);
    if (Atomics.compareExchange(word, place, now, probe) !== now) return REFUSED;
    this.#count(this.#requests, place);
    return ticketOf(circuitFrom(probe));
  }

  /** The call was answered. */
  succeeded(place: number, ticket: Ticket): void {
    const { word, closedAt } = this.#words;
    for (;;) {
      const now = Atomics.load(word, place);
      if (isUntroubled(now)) return;
      const circuit = circuitFrom(now);
      if (ticketOf(circuit) !== ticket) return;
      const closes = circuit.state === "half-open";
      const generation = circuit.generation + Number(closes);
      if (closes) Atomics.store(closedAt, place, this.#now());
      const next = circuitWord({ ...circuit, state: "closed", failures: 0, generation });
      if (Atomics.compareExchange(word, place, now, next) === now) return;
    }
  }

  /**
   * The call failed for the instance's sake. What began before the circuit was open last says nothing of the instance as it
   * is now. `mayOpen` is asked before a closed circuit opens, of one at a time over all threads: never too many of a
   * sandbox's instances at once. Returns true when it opened.
   */
  failed(place: number, ticket: Ticket, mayOpen: () => boolean): boolean {
    if (ticketOf(this.circuit(place)) !== ticket) return false;
    this.#count(this.#failures, place);
    const isOften = this.#isOverRate(place);
    for (;;) {
      const now = Atomics.load(this.#words.word, place);
      const circuit = circuitFrom(now);
      if (ticketOf(circuit) !== ticket) return false;
      if (circuit.state === "half-open") {
        if (this.#moves(place, now, this.#opened(place, circuit))) return true;
        continue;
      }
      const failures = circuit.failures + 1;
      if (!this.#moves(place, now, { ...circuit, failures })) continue;
      const isEnough = this.#limits.failures > 0 && (failures >= this.#limits.failures || isOften);
      return isEnough && this.#opensAlone(place, ticket, mayOpen);
    }
  }

  /** The call ended and says nothing of the instance. */
  gaveUp(place: number, ticket: Ticket): void {
    if (!isProbe(ticket)) return;
    const now = Atomics.load(this.#words.word, place);
    const circuit = circuitFrom(now);
    if (ticketOf(circuit) !== ticket) return;
    // Its time is over since before the try: that is what the next generation's word says still.
    const next = circuitWord({ ...circuit, state: "open", generation: circuit.generation + 1 });
    Atomics.compareExchange(this.#words.word, place, now, next);
  }

  /** Closes it at once. `forget`: also how often it has been open. */
  close(place: number, forget: boolean): void {
    for (;;) {
      const now = Atomics.load(this.#words.word, place);
      const { ejections, generation } = circuitFrom(now);
      Atomics.store(this.#words.closedAt, place, this.#now());
      const next = {
        state: "closed",
        failures: 0,
        ejections: forget ? 0 : ejections,
        generation: generation + 1,
      } as const;
      if (Atomics.compareExchange(this.#words.word, place, now, circuitWord(next)) === now) return;
    }
  }

  /** When it is open, it may be tried at once. */
  hasten(place: number): void {
    const circuit = this.circuit(place);
    // Should it close or open meanwhile, what is written is a time that is over, or one try more.
    if (circuit.state === "open") this.#setUntil(place, circuit.generation, 0);
  }

  /** Puts back what was known before a restart: open for another `ms`, or closed for `ms` already. */
  restore(place: number, { state, ejections, ms }: { state: "open" | "closed"; ejections: number; ms: number }): void {
    if (state === "open") this.#setUntil(place, 1, ms);
    else Atomics.store(this.#words.closedAt, place, (this.#now() - Math.ceil(ms / TICK_MS)) | 0);
    Atomics.store(this.#words.word, place, circuitWord({ state, failures: 0, ejections, generation: 1 }));
  }

  /** Forgets how often those have been open that have stayed closed for long since. For the control thread, now and then. */
  forgive(): void {
    const { word } = this.#words;
    for (let place = 0; place < word.length; place++) {
      const now = word[place] as number;
      if (!isClosed(now) || !hasPast(now)) continue;
      const circuit = circuitFrom(now);
      if (this.#isRedeemed(place, circuit.ejections)) this.#moves(place, now, { ...circuit, ejections: 0 });
    }
  }

  /** A place begins anew. */
  clear(place: number): void {
    Atomics.store(this.#words.word, place, NEW_CIRCUIT);
    Atomics.store(this.#words.windowFrom, place, 0);
    Atomics.store(this.#words.closedAt, place, this.#now());
  }

  /**
   * Opens a closed circuit while no other is being opened, so that two threads do not each open one where there was room for
   * one. When another is, the next failure opens it.
   */
  #opensAlone(place: number, ticket: Ticket, mayOpen: () => boolean): boolean {
    const { opening, word } = this.#words;
    const mine = this.#now() | 1;
    const seen = Atomics.load(opening, 0);
    // A thread that dies there leaves the door shut.
    if (seen !== 0 && Math.abs((mine - seen) | 0) * TICK_MS < OPENING_MS) return false;
    if (Atomics.compareExchange(opening, 0, seen, mine) !== seen) return false;
    try {
      if (!mayOpen()) return false;
      for (;;) {
        const now = Atomics.load(word, place);
        const circuit = circuitFrom(now);
        if (ticketOf(circuit) !== ticket) return false;
        if (this.#moves(place, now, this.#opened(place, circuit))) return true;
      }
    } finally {
      Atomics.compareExchange(opening, 0, mine, 0);
    }
  }

  #moves(place: number, from: number, to: Circuit): boolean {
    return Atomics.compareExchange(this.#words.word, place, from, circuitWord(to)) === from;
  }

  /** One that stayed closed for as long as it could have been open has redeemed itself. */
  #isRedeemed(place: number, ejections: number): boolean {
    const { openMs, maxOpenMs } = this.#limits;
    return this.closedForMs(place) > Math.min(openMs * (ejections + 1), maxOpenMs);
  }

  #opened(place: number, { state, ejections, generation }: Circuit): Circuit {
    const { openMs, maxOpenMs } = this.#limits;
    const times = state === "closed" && this.#isRedeemed(place, ejections) ? 1 : ejections + 1;
    const ms = Math.min(openMs * times, maxOpenMs) * (1 + JITTER * this.#random());
    this.#setUntil(place, generation + 1, ms);
    return { state: "open", failures: 0, ejections: times, generation: generation + 1 };
  }

  /** Counted from a failure on: a window in which nothing fails needs no count. */
  #isOverRate(place: number): boolean {
    const { windowFrom, requestsBefore, failuresBefore } = this.#words;
    const { errorRate, windowMs, minRequests } = this.#limits;
    const now = this.#now();
    const [requests, failures] = [sum(this.#words.requests, place), sum(this.#words.failures, place)];
    const from = Atomics.load(windowFrom, place);
    if (from === 0 || ((now - from) | 0) * TICK_MS > windowMs) {
      Atomics.store(windowFrom, place, now === 0 ? 1 : now);
      Atomics.store(requestsBefore, place, requests - 1);
      Atomics.store(failuresBefore, place, failures - 1);
      return false;
    }
    const count = (requests - Atomics.load(requestsBefore, place)) | 0;
    const failed = (failures - Atomics.load(failuresBefore, place)) | 0;
    return count >= minRequests && failed >= count * errorRate;
  }

  #count(lane: Int32Array | undefined, place: number): void {
    if (lane !== undefined) lane[place] = ((lane[place] as number) + 1) | 0;
  }

  /** Ticks until the time of the generation that `word` names. */
  #left(place: number, word: number): number {
    return (Atomics.load(this.#words.until, untilAt(place, circuitFrom(word).generation)) - this.#now()) | 0;
  }

  #setUntil(place: number, generation: number, ms: number): void {
    const at = (this.#now() + Math.ceil(ms / TICK_MS)) | 0;
    Atomics.store(this.#words.until, untilAt(place, generation), at);
  }
}

function untilAt(place: number, generation: number): number {
  return 2 * place + (generation & 1);
}

/** What a call holds that began in this life of the circuit, which is not open. */
function ticketOf({ state, generation }: Circuit): Ticket {
  return state === "open" ? OPEN : 2 * generation + Number(state === "half-open");
}

/** The same of a closed one, from its word. */
function closedTicket(word: number): Ticket {
  return 2 * generationOf(word);
}

function sum(lanes: readonly Int32Array[], place: number): number {
  return lanes.reduce((total, lane) => (total + Atomics.load(lane, place)) | 0, 0);
}
