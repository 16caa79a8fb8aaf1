import type { InstanceStateName } from "../../domain/instance/state.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Instance, Sandbox } from "../../domain/sandbox.ts";

/** Chooses which of a sandbox's instances does the next request. One object per thread; it may keep state. */
export interface Strategy {
  /**
   * One of `candidates`, which are instances of the sandbox that may be used now and have not been tried for this request: at
   * least one. Whether they may be is for whoever calls; the strategy says only which of them is the best.
   */
  pick(candidates: readonly Instance[], situation: Situation): Instance;
  /** How long an instance took to begin its answer, ms. Only where a strategy wants to know. */
  observe?(instance: Instance, ms: number): void;
}

/** What a strategy may know. */
export interface Situation {
  readonly sandbox: Sandbox;
  readonly request: PickRequest;
  readonly board: PickBoard;
}

/** What a strategy may know of a request. */
export interface PickRequest {
  readonly principal: Principal | undefined;
  /** The client's, as the gateway decided it. */
  readonly address: string;
  /** A request field by its lower-case name. */
  field(name: string): string | undefined;
}

/** What a strategy may know of the instances, over all threads. */
export interface PickBoard {
  state(instance: Instance): InstanceStateName;
  /** Requests it is working on. */
  inFlight(instance: Instance): number;
}
