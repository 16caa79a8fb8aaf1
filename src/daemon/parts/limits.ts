import type { Config } from "../../config/schema.ts";
import type { LimitChange } from "../../domain/limit.ts";
import { rateKey } from "../../limits/rate/rate-limit.ts";
import { resetLimits } from "../../limits/rate/reset.ts";
import type { SharedMemory } from "../shared-memory/layout.ts";

/** Forgets what somebody has used of the limits that hold: all threads see it at once. `salt`: the data threads'. */
export function forgetUsed(
  change: LimitChange,
  { config, memory, salt }: { config: Config; memory: SharedMemory; salt: string },
): void {
  resetLimits(change, {
    cells: memory.rate,
    roles: Object.keys(config.ROLE_RATE_LIMITS),
    operations: Object.keys(config.OPERATION_RATE_LIMITS),
    rateKey: (name) => rateKey(salt, name),
  });
}
