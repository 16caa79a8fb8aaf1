import { GatewayError } from "../errors.ts";

/** The gate's words in shared memory; per-thread words are `stride` apart. */
export interface GateWords {
  /** [0] slots taken over all threads, [stride] a counter that decides whose turn it is. */
  readonly shared: Int32Array;
  /** Per thread: slots it holds, callers it keeps waiting, slots handed to it that it has not picked up yet. */
  readonly held: Int32Array;
  readonly waiting: Int32Array;
  /** A notification without a slot says that some may have come free. */
  readonly granted: Int32Array;
  readonly stride: number;
}

const TAKEN = 0;

interface Waiter {
  readonly since: number;
  readonly admit: () => void;
  readonly refuse: (error: GatewayError) => void;
}

/**
 * MAX_CONCURRENT_REQUESTS over all threads, with a queue that is bounded in length and age. A freed slot goes to a
 * thread that keeps callers waiting, threads in turn, oldest caller first; newcomers never pass by the queue.
 * What a thread holds is counted per thread, so that nothing is lost when one dies.
 */
export class ConcurrencyGate {
  readonly #words: GateWords;
  /** Index of this thread's words. */
  readonly #me: number;
  readonly #threads: number;
  readonly #max: number;
  readonly #maxPending: number;
  readonly #maxAgeMs: number;
  /** Oldest first. */
  readonly #queue: Waiter[] = [];
  #watchingAge = false;

  constructor(options: {
    words: GateWords;
    thread: number;
    threads: number;
    max: number;
    maxPending: number;
    maxAgeMs: number;
  }) {
    this.#words = options.words;
    this.#me = options.thread * options.words.stride;
    this.#threads = options.threads;
    this.#max = options.max;
    this.#maxPending = options.maxPending;
    this.#maxAgeMs = options.maxAgeMs;
    this.#listen();
  }

  /** Slots taken over all threads. */
  get taken(): number {
    return Atomics.load(this.#words.shared, TAKEN);
  }

  /** Callers waiting over all threads. */
  get pending(): number {
    const { waiting, stride } = this.#words;
    let sum = 0;
    for (let thread = 0; thread < this.#threads; thread++) sum += Atomics.load(waiting, thread * stride);
    return sum;
  }

  /** Takes a slot if there is one and nobody waits for it. True: the caller owes a `release`. */
  tryAcquire(): boolean {
    if (this.pending > 0 || !this.#take()) return false;
    Atomics.add(this.#words.held, this.#me, 1);
    return true;
  }

  /**
   * Waits for a slot; once it resolves the caller owes a `release`. `signal` gives the place in the queue up.
   * @throws GatewayError RATE_002 when the queue is full or the wait too long, PROXY_005 when the signal fired.
   */
  acquire(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(new GatewayError("PROXY_005"));
    if (this.pending >= this.#maxPending) return Promise.reject(overloaded("The queue is full"));
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { since: performance.now(), admit: resolve, refuse: reject };
      signal.addEventListener("abort", () => this.#drop(waiter, new GatewayError("PROXY_005")), { once: true });
      this.#queue.push(waiter);
      Atomics.add(this.#words.waiting, this.#me, 1);
      this.#watchAge();
      // A slot may have come free between the caller's tryAcquire and now, when nobody was seen waiting.
      this.#takeFree();
    });
  }

  release(): void {
    Atomics.sub(this.#words.held, this.#me, 1);
    this.#passOn();
  }

  /** Finds a taker for a slot that is taken but held by nobody, or frees it. */
  #passOn(): void {
    const { shared, waiting, granted, stride } = this.#words;
    do {
      const turn = Atomics.add(shared, stride, 1) >>> 0;
      for (let step = 0; step < this.#threads; step++) {
        const word = ((turn + step) % this.#threads) * stride;
        if (Atomics.load(waiting, word) === 0) continue;
        if (word === this.#me) {
          this.#admitNext();
        } else {
          Atomics.add(granted, word, 1);
          Atomics.notify(granted, word);
        }
        return;
      }
      Atomics.sub(shared, TAKEN, 1);
      // Whoever began to wait since the look above has seen no free slot: the freed one must not lie idle.
    } while (this.pending > 0 && this.#take());
  }

  #take(): boolean {
    const { shared } = this.#words;
    let taken = Atomics.load(shared, TAKEN);
    while (taken < this.#max) {
      const seen = Atomics.compareExchange(shared, TAKEN, taken, taken + 1);
      if (seen === taken) return true;
      taken = seen;
    }
    return false;
  }

  /** Gives a slot held by nobody to this thread's oldest waiter. */
  #admitNext(): void {
    const waiter = this.#queue.shift();
    if (waiter === undefined) return this.#passOn();
    Atomics.add(this.#words.held, this.#me, 1);
    Atomics.sub(this.#words.waiting, this.#me, 1);
    waiter.admit();
  }

  #takeFree(): void {
    while (this.#queue.length > 0 && this.#take()) this.#admitNext();
  }

  #drop(waiter: Waiter, error: GatewayError): void {
    const place = this.#queue.indexOf(waiter);
    if (place < 0) return;
    this.#queue.splice(place, 1);
    Atomics.sub(this.#words.waiting, this.#me, 1);
    waiter.refuse(error);
  }

  /**
   * Picks up what other threads hand over and is woken by the next: no polling. It never stops listening, because a slot
   * may be on its way to a caller who has left since; unheard, it would be lost to all threads.
   */
  #listen(): void {
    const { granted } = this.#words;
    let wait = Atomics.waitAsync(granted, this.#me, 0);
    while (!wait.async) {
      for (let left = Atomics.exchange(granted, this.#me, 0); left > 0; left--) this.#admitNext();
      wait = Atomics.waitAsync(granted, this.#me, 0);
    }
    this.#takeFree();
    void wait.value.then(() => this.#listen());
  }

  #watchAge(): void {
    if (this.#watchingAge) return;
    this.#watchingAge = true;
    setTimeout(() => {
      this.#watchingAge = false;
      const limit = performance.now() - this.#maxAgeMs;
      for (let oldest = this.#queue[0]; oldest !== undefined && oldest.since <= limit; oldest = this.#queue[0]) {
        this.#drop(oldest, overloaded("No slot came free in time"));
      }
      if (this.#queue.length > 0) this.#watchAge();
    }, this.#ageLeft()).unref();
  }

  #ageLeft(): number {
    const now = performance.now();
    const since = this.#queue[0]?.since ?? now;
    return Math.max(1, Math.ceil(since + this.#maxAgeMs - now));
  }
}

function overloaded(why: string): GatewayError {
  return new GatewayError("RATE_002", { details: why, retryAfter: 1 });
}
