import { GatewayError } from "../errors.ts";
import { type Claim, FairQueue, type Waiter } from "./fair-queue.ts";
import { Sketch, type SketchKey } from "./sketch.ts";
import { Yields } from "./yields.ts";

export type { Claim } from "./fair-queue.ts";

/** The gate's words in shared memory; per-thread words are `stride` apart. */
export interface GateWords {
  /** [0] slots taken over all threads, [stride] a counter that decides whose turn it is. */
  readonly shared: Int32Array;
  /** Per thread: slots it holds, calls it keeps waiting, whether one of them lacks nothing but a slot. */
  readonly held: Int32Array;
  readonly waiting: Int32Array;
  readonly ready: Int32Array;
  /**
   * Per thread: slots handed to it that it has not picked up yet (the bits of GRANTED), and whether another offers it room in a
   * share (OFFERED) or has looked at what it offered (LOOKED). A notification without any of it says: look again.
   */
  readonly granted: Int32Array;
  readonly stride: number;
  /** Sketches, one a thread: the slots that each caller and each sandbox has, the calls of each that wait. */
  readonly heldBy: readonly Int32Array[];
  readonly wantedBy: readonly Int32Array[];
}

export interface GateLimits {
  /** Slots over all threads; most of one caller; most of one sandbox. */
  readonly max: number;
  readonly maxPerCaller: number;
  readonly maxPerSandbox: number;
  /** Calls that may wait over all threads; most of one caller. */
  readonly maxPending: number;
  readonly maxPendingPerCaller: number;
  /** A call waits no longer than this, ms. */
  readonly maxAgeMs: number;
  /** What a call may wait when there is no end of calls, ms; see Pressure. */
  readonly targetMs: number;
}

const TAKEN = 0;

/** Parts of a word in `granted`. */
export const GRANTED = 0xffff;
const OFFERED = 0x1_0000;
const LOOKED = 0x2_0000;

/**
 * MAX_CONCURRENT_REQUESTS over all threads, of which no caller and no sandbox has more than its share, with a queue that is
 * fair between callers and bounded in length, age and worth. A freed slot goes to a thread where a call lacks nothing else,
 * threads in turn, then callers in turn; newcomers never pass by such a call. A thread that is handed a slot nobody there
 * may have (shares have filled meanwhile) takes its name off before it passes it on, so that no slot goes round in circles.
 * Room in a full share is offered to other threads first: the one that gave it back leaves it alone until they have looked.
 *
 * What a thread holds is counted per thread, so that nothing is lost when one dies. Shares are looked up and then counted:
 * two threads at the same moment can exceed one by one call each.
 */
export class ConcurrencyGate {
  readonly #words: GateWords;
  readonly #thread: number;
  /** Index of this thread's words. */
  readonly #me: number;
  readonly #threads: number;
  #limits: GateLimits;
  readonly #heldBy: Sketch;
  readonly #wantedBy: Sketch;
  readonly #queue: FairQueue;
  readonly #yields = new Yields({ onExpired: () => this.#serveFree() });
  #watchingAge = false;

  constructor(options: { words: GateWords; thread: number; threads: number; limits: GateLimits }) {
    const { words, thread } = options;
    this.#words = words;
    this.#thread = thread;
    this.#me = thread * words.stride;
    this.#threads = options.threads;
    this.#limits = options.limits;
    this.#heldBy = new Sketch({ lanes: words.heldBy, thread });
    this.#wantedBy = new Sketch({ lanes: words.wantedBy, thread });
    this.#queue = new FairQueue({ targetMs: options.limits.targetMs });
    this.#listen();
  }

  /** Other limits from now on: slots that are taken and calls that wait keep theirs. `targetMs` stays as it was. */
  configure(limits: GateLimits): void {
    this.#limits = limits;
    if (this.#queue.size > 0) this.#watchAge();
  }

  /** Slots taken over all threads. */
  get taken(): number {
    return Atomics.load(this.#words.shared, TAKEN);
  }

  /** Calls waiting over all threads. */
  get pending(): number {
    const { waiting, stride } = this.#words;
    let sum = 0;
    for (let thread = 0; thread < this.#threads; thread++) sum += Atomics.load(waiting, thread * stride);
    return sum;
  }

  /** Takes a slot if there is one, nobody waits for it and the shares have room. True: the claim owes a `release`. */
  tryAcquire(claim: Claim): boolean {
    if (this.#anyReady() || !this.#mayGo(claim) || !this.#take()) return false;
    this.#hold(claim, 1);
    return true;
  }

  /**
   * Waits for a slot; once it resolves the claim owes a `release`. `signal` gives the place in the queue up.
   * @throws GatewayError RATE_002 when the queue is full or too slow for another call, or the wait too long; PROXY_005 when
   *   the signal fired.
   */
  acquire(claim: Claim, signal: AbortSignal): Promise<void> {
    const { maxPending, maxPendingPerCaller } = this.#limits;
    if (signal.aborted) return Promise.reject(new GatewayError("PROXY_005"));
    if (this.pending >= maxPending) return Promise.reject(overloaded("The queue is full"));
    const { callerKey } = claim;
    if (callerKey !== null && this.#wantedBy.count(callerKey) >= maxPendingPerCaller) {
      return Promise.reject(overloaded("This caller's part of the queue is full"));
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { claim, since: performance.now(), admit: resolve, refuse: reject };
      if (!this.#queue.push(waiter)) return reject(overloaded("More calls come than can be served"));
      signal.addEventListener("abort", () => this.#drop(waiter, new GatewayError("PROXY_005")), { once: true });
      this.#want(claim, 1);
      this.#watchAge();
      // A slot may have come free between the caller's tryAcquire and now, when nobody was seen waiting.
      this.#serveFree();
    });
  }

  /**
   * The claim's call turns out to be for `sandboxKey`. True when that sandbox's share has room: then it is counted there.
   * False: the claim keeps what it has.
   */
  extend(sandboxKey: SketchKey): boolean {
    if (!this.#hasRoom(sandboxKey, "sandbox")) return false;
    this.#heldBy.add(sandboxKey, 1);
    return true;
  }

  release(claim: Claim): void {
    this.#hold(claim, -1);
    this.#offer(claim);
    this.#passOn();
    if (this.#queue.size > 0 && this.#wants(claim, this.#thread)) this.#serveFree();
  }

  #mayGo({ callerKey, sandboxKey }: Claim): boolean {
    return this.#hasRoom(callerKey, "caller") && this.#hasRoom(sandboxKey, "sandbox");
  }

  readonly #hasRoom = (key: SketchKey | null, kind: "caller" | "sandbox"): boolean =>
    key === null || (this.#heldBy.count(key) < this.#share(kind) && !this.#yields.has(key));

  #share(kind: "caller" | "sandbox"): number {
    return kind === "caller" ? this.#limits.maxPerCaller : this.#limits.maxPerSandbox;
  }

  #hold({ callerKey, sandboxKey }: Claim, amount: 1 | -1): void {
    Atomics.add(this.#words.held, this.#me, amount);
    if (callerKey !== null) this.#heldBy.add(callerKey, amount);
    if (sandboxKey !== null) this.#heldBy.add(sandboxKey, amount);
  }

  #want({ callerKey, sandboxKey }: Claim, amount: 1 | -1): void {
    Atomics.add(this.#words.waiting, this.#me, amount);
    if (callerKey !== null) this.#wantedBy.add(callerKey, amount);
    if (sandboxKey !== null) this.#wantedBy.add(sandboxKey, amount);
    if (this.#queue.size === 0) Atomics.store(this.#words.ready, this.#me, 0);
  }

  #anyReady(): boolean {
    const { ready, stride } = this.#words;
    for (let thread = 0; thread < this.#threads; thread++) if (Atomics.load(ready, thread * stride) === 1) return true;
    return false;
  }

  /** Finds a taker for a slot that is taken but held by nobody, or frees it. */
  #passOn(): void {
    const { shared, ready, granted, stride } = this.#words;
    do {
      const turn = Atomics.add(shared, stride, 1) >>> 0;
      for (let step = 0; step < this.#threads; step++) {
        const word = ((turn + step) % this.#threads) * stride;
        if (Atomics.load(ready, word) === 0) continue;
        if (word === this.#me) {
          if (this.#serveNext()) return;
        } else {
          Atomics.add(granted, word, 1);
          Atomics.notify(granted, word);
          return;
        }
      }
      Atomics.sub(shared, TAKEN, 1);
      // Whoever became ready since the look above has seen no free slot: the freed one must not lie idle.
    } while (this.#anyReady() && this.#take());
  }

  /** The claim's shares have room again: other threads whose calls wait for that may look first. */
  #offer(claim: Claim): void {
    const { waiting, granted, stride } = this.#words;
    for (let thread = 0; thread < this.#threads; thread++) {
      const word = thread * stride;
      if (thread === this.#thread || Atomics.load(waiting, word) === 0 || !this.#wants(claim, thread)) continue;
      this.#yield(claim.callerKey, "caller", thread);
      this.#yield(claim.sandboxKey, "sandbox", thread);
      Atomics.or(granted, word, OFFERED);
      Atomics.notify(granted, word);
    }
  }

  /** Leaves room in a share that was full to a thread whose calls wait for it. */
  #yield(key: SketchKey | null, kind: "caller" | "sandbox", thread: number): void {
    if (key === null || !this.#wantedBy.has(thread, key)) return;
    if (this.#heldBy.count(key) + 1 >= this.#share(kind)) this.#yields.add(key);
  }

  /** This thread has looked at what it was offered: what it has not taken is anybody's. */
  #answer(): void {
    const { granted, stride } = this.#words;
    for (let thread = 0; thread < this.#threads; thread++) {
      if (thread === this.#thread) continue;
      Atomics.or(granted, thread * stride, LOOKED);
      Atomics.notify(granted, thread * stride);
    }
  }

  /** Whether calls that wait on the thread want room in one of the claim's shares. */
  #wants({ callerKey, sandboxKey }: Claim, thread: number): boolean {
    return (
      (callerKey !== null && this.#wantedBy.has(thread, callerKey)) ||
      (sandboxKey !== null && this.#wantedBy.has(thread, sandboxKey))
    );
  }

  #take(): boolean {
    const { shared } = this.#words;
    const { max } = this.#limits;
    let taken = Atomics.load(shared, TAKEN);
    while (taken < max) {
      const seen = Atomics.compareExchange(shared, TAKEN, taken, taken + 1);
      if (seen === taken) return true;
      taken = seen;
    }
    return false;
  }

  /** Gives a slot held by nobody to the next call here. False when none may have it; then this thread asks for no more. */
  #serveNext(): boolean {
    const waiter = this.#queue.first(this.#hasRoom);
    if (waiter === undefined) {
      Atomics.store(this.#words.ready, this.#me, 0);
      return false;
    }
    this.#serve(waiter);
    return true;
  }

  /** Serves calls here with slots that are free, and says whether one is left that lacks nothing else. */
  #serveFree(): void {
    const { ready } = this.#words;
    for (let next = this.#queue.first(this.#hasRoom); next !== undefined; next = this.#queue.first(this.#hasRoom)) {
      if (!this.#take()) {
        Atomics.store(ready, this.#me, 1);
        // One that came free before this thread had said so was handed to nobody.
        if (!this.#take()) return;
      }
      this.#serve(next);
    }
    Atomics.store(ready, this.#me, 0);
  }

  #serve(waiter: Waiter): void {
    const surplus = this.#queue.serve(waiter, performance.now());
    this.#hold(waiter.claim, 1);
    this.#want(waiter.claim, -1);
    waiter.admit();
    for (const one of surplus) this.#drop(one, overloaded("More calls come than can be served"));
  }

  #drop(waiter: Waiter, error: GatewayError): void {
    if (!this.#queue.remove(waiter)) return;
    this.#want(waiter.claim, -1);
    waiter.refuse(error);
  }

  /**
   * Picks up what other threads hand over and is woken by the next: no polling. It never stops listening, because a slot
   * may be on its way to a caller who has left since; unheard, it would be lost to all threads.
   */
  #listen(): void {
    const { granted } = this.#words;
    let offered = false;
    let wait = Atomics.waitAsync(granted, this.#me, 0);
    while (!wait.async) {
      const word = Atomics.exchange(granted, this.#me, 0);
      if ((word & OFFERED) !== 0) offered = true;
      if ((word & LOOKED) !== 0) this.#yields.clear();
      for (let left = word & GRANTED; left > 0; left--) if (!this.#serveNext()) this.#passOn();
      wait = Atomics.waitAsync(granted, this.#me, 0);
    }
    if (this.#queue.size > 0) this.#serveFree();
    if (offered) this.#answer();
    void wait.value.then(() => this.#listen());
  }

  #watchAge(): void {
    if (this.#watchingAge) return;
    this.#watchingAge = true;
    setTimeout(() => {
      this.#watchingAge = false;
      const limit = performance.now() - this.#limits.maxAgeMs;
      for (let oldest = this.#queue.oldest(); oldest !== undefined && oldest.since <= limit; ) {
        this.#drop(oldest, overloaded("No slot came free in time"));
        oldest = this.#queue.oldest();
      }
      if (this.#queue.size > 0) this.#watchAge();
    }, this.#ageLeft()).unref();
  }

  #ageLeft(): number {
    const now = performance.now();
    const since = this.#queue.oldest()?.since ?? now;
    return Math.max(1, Math.ceil(since + this.#limits.maxAgeMs - now));
  }
}

function overloaded(why: string): GatewayError {
  return new GatewayError("RATE_002", { details: why, retryAfter: 1 });
}
