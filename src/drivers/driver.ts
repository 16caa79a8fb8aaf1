import type { Instance, Sandbox } from "../domain/sandbox.ts";

export type InstanceState = "starting" | "up" | "down";

/** How instances of one kind come to life and die. One driver object serves all sandboxes of its kind. */
export interface Driver {
  /** Starts looking after an instance: resolves at once, tells its state through the observer it was built with. Idempotent. */
  start(sandbox: Sandbox, instance: Instance): void;
  /** Stops the instance and forgets it. Resolves when nothing of it runs any more. Idempotent. */
  stop(instanceId: string): Promise<void>;
  /** Stops everything. */
  close(): Promise<void>;
}

/** Told by a driver whenever an instance changes state. */
export type InstanceReport = (instance: Instance, state: InstanceState, reason: string) => void;
