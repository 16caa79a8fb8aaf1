import type { Instance, Sandbox } from "../../domain/sandbox.ts";

/** Chooses which of a sandbox's instances does the next request. One object per thread; it may keep state. */
export interface Strategy {
  /** An instance that is not in `tried`, or undefined when there is none left. */
  pick(sandbox: Sandbox, tried: readonly Instance[]): Instance | undefined;
}

/** The strategy that each sandbox has chosen. */
export interface Strategies {
  of(sandbox: Sandbox): Strategy;
}
