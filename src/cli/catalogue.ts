import type { Catalogue } from "../control/verbs/sandboxes.ts";
import { DRIVERS, RUNTIME_NAMES, STRATEGY_NAMES } from "../registry.ts";

/** What `sandbox add` may name. */
export const CATALOGUE: Catalogue = { runtimes: RUNTIME_NAMES, strategies: STRATEGY_NAMES, drivers: DRIVERS };
