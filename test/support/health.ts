import type { HealthDefaults } from "../../src/domain/instance/health.ts";
import type { HealthWords } from "../../src/proxy/health/health-words.ts";

/** What the configuration says where it says nothing. */
export const HEALTH: HealthDefaults = {
  kind: "off",
  path: "/health",
  statuses: [[200, 399]],
  intervalMs: 5_000,
  timeoutMs: 2_000,
  rise: 2,
  fall: 3,
  panicThreshold: 50,
};

/** Zeroed words for `size` places. */
export function healthWords(size: number): HealthWords {
  const words = (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * size));
  return { state: words(), since: words() };
}
