import type { CircuitLimits, CircuitWords } from "../../src/proxy/health/circuits.ts";

/** The defaults. */
export const CIRCUITS: CircuitLimits = {
  failures: 5,
  errorRate: 0.5,
  windowMs: 10_000,
  minRequests: 20,
  openMs: 10_000,
  maxOpenMs: 300_000,
  probeMs: 40_000,
};

/** Zeroed words for `size` places and some threads. */
export function circuitWords(size: number, threads: number): CircuitWords {
  const words = (length = size): Int32Array => new Int32Array(new SharedArrayBuffer(4 * length));
  const lanes = (): Int32Array[] => Array.from({ length: threads }, () => words());
  return {
    word: words(),
    until: words(2 * size),
    closedAt: words(),
    opening: words(1),
    windowFrom: words(),
    requestsBefore: words(),
    failuresBefore: words(),
    requests: lanes(),
    failures: lanes(),
  };
}
