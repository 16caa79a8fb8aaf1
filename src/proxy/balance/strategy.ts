import type { InstanceStateName } from "../../domain/instance-state.ts";
import type { Principal } from "../../domain/principal.ts";
import type { Instance, Sandbox } from "../../domain/sandbox.ts";

/** Chooses which of a sandbox's instances does the next request. One object per thread; it may keep state. */
export interface Strategy {
  /**
   * One of the sandbox's instances that is not in `tried`, or undefined when there is none left. What it prefers is its own
   * business, but it never keeps an instance back: one that seems sick may be the only one that is not.
   */
  pick(sandbox: Sandbox, request: PickRequest, board: PickBoard, tried: readonly Instance[]): Instance | undefined;
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

/** The strategy that each sandbox has chosen. */
export interface Strategies {
  of(sandbox: Sandbox): Strategy;
}
