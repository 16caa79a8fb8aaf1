import type { Instance } from "../../../domain/sandbox.ts";
import { loadOf } from "./load.ts";
import type { Situation, Strategy } from "../strategy.ts";
import { twoOf } from "./two.ts";

/** After this time a latency weighs a third (1/e) of what it did, ms. */
const DECAY_MS = 10_000;
/** What is thought of an instance that has not answered yet, ms. */
const UNKNOWN_MS = 30;

interface Latency {
  ms: number;
  at: number;
}

/**
 * Of two by chance the one whose latency times its requests in flight is less. A latency that is worse than what was thought
 * counts at once, a better one little by little (Finagle's peak EWMA; the figures are Linkerd's); and what is old counts
 * less, or who was slow once would never be asked again. Each thread learns for itself: it hears of its own calls only, and a
 * few are enough.
 */
export class PeakEwma implements Strategy {
  readonly #latencies = new WeakMap<Instance, Latency>();
  readonly #random: () => number;
  readonly #now: () => number;

  constructor({ random = Math.random, now = () => performance.now() } = {}) {
    this.#random = random;
    this.#now = now;
  }

  pick(candidates: readonly Instance[], { board }: Situation): Instance {
    const [one, other] = twoOf(candidates, this.#random);
    const now = this.#now();
    const cost = (instance: Instance): number => loadOf(instance, board) * this.#expected(instance, now);
    return cost(other) < cost(one) ? other : one;
  }

  observe(instance: Instance, ms: number): void {
    const now = this.#now();
    const known = this.#latencies.get(instance);
    if (known === undefined) return void this.#latencies.set(instance, { ms, at: now });
    const kept = ms > known.ms ? 0 : Math.exp((known.at - now) / DECAY_MS);
    known.ms = known.ms * kept + ms * (1 - kept);
    known.at = now;
  }

  #expected(instance: Instance, now: number): number {
    const known = this.#latencies.get(instance);
    return known === undefined ? UNKNOWN_MS : known.ms * Math.exp((known.at - now) / DECAY_MS);
  }
}
