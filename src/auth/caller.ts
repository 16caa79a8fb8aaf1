import type { Principal } from "../domain/principal.ts";
import type { SketchKey } from "../limits/sketch.ts";
import { Standing } from "./standing.ts";

/** A principal together with its keys for limits, made once per credential. */
export interface Caller {
  readonly principal: Principal;
  readonly standing: Standing;
  /** What speaks for it comes by itself with whatever its browser sends, whoever had it sent. */
  readonly ambient: boolean;
  /** For its execute and API calls, and for what it has proxied. */
  readonly rateKey: bigint;
  readonly proxyRateKey: bigint;
  /** Where its share is counted; null when it is nobody in particular. */
  readonly shareKey: SketchKey | null;
  /** When it last called, milliseconds since the epoch. */
  usedAt: number;
}

/** Nobody in particular: has no limit of its own. */
export function nobody(principal: Principal, shareKey: SketchKey | null): Caller {
  return {
    principal,
    standing: new Standing(principal),
    ambient: false,
    rateKey: 0n,
    proxyRateKey: 0n,
    shareKey,
    usedAt: 0,
  };
}
