import { GatewayError } from "../../errors.ts";
import type { Bound, Tally } from "./tally.ts";

/** Most upgraded connections: in all, of one caller, of one sandbox that does not say otherwise. */
export interface TunnelLimits {
  readonly max: number;
  readonly maxPerCaller: number;
  readonly maxPerSandbox: number;
}

/** A place for an upgraded connection; given back once. */
export interface TunnelPlace {
  release(): void;
}

/** Upgraded connections: they last, so that they are counted apart from requests and streams, exactly and over all threads. */
export class Tunnels {
  readonly #tally: Tally;
  readonly #limits: TunnelLimits;
  readonly #keyOf: (name: string) => bigint;

  constructor(options: { tally: Tally; limits: TunnelLimits; keyOf: (name: string) => bigint }) {
    this.#tally = options.tally;
    this.#limits = options.limits;
    this.#keyOf = options.keyOf;
  }

  /** Open ones over all threads, and offers of one that are being decided upon. */
  get open(): number {
    return this.#tally.total;
  }

  /**
   * A place for one, before anything is sent. `callerKey`: 0n for nobody in particular, who has no share. `most`: what the
   * sandbox itself says.
   * @throws GatewayError RATE_007
   */
  claim(callerKey: bigint, sandboxId: string, most: number | undefined): TunnelPlace {
    const { max, maxPerCaller, maxPerSandbox } = this.#limits;
    const bounds: readonly Bound[] = [
      { key: callerKey, most: maxPerCaller },
      { key: tunnelsOf(sandboxId, this.#keyOf), most: most ?? maxPerSandbox },
    ];
    const taken = this.#tally.take(max, bounds);
    if (taken !== "counted") throw new GatewayError("RATE_007", { details: `${whose(taken)} has as many as it may` });
    return { release: () => this.#tally.release(bounds) };
  }
}

/** Where those of a sandbox are counted. */
export function tunnelsOf(sandboxId: string, keyOf: (name: string) => bigint): bigint {
  return keyOf(`tunnels of sandbox ${sandboxId}`);
}

function whose(bound: "full" | number): string {
  if (bound === "full") return "The gateway";
  return bound === 0 ? "This caller" : "This sandbox";
}
