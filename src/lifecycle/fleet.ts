import type { Change } from "../domain/change.ts";
import type { Sandbox } from "../domain/sandbox.ts";
import type { Driver } from "../drivers/driver.ts";

/** The instances the daemon itself keeps alive: starts and stops them as sandboxes come and go. */
export class Fleet {
  readonly #drivers: Readonly<Record<string, Driver>>;
  readonly #onError: (sandboxId: string, error: unknown) => void;
  readonly #running = new Map<string, Sandbox>();

  constructor(options: {
    drivers: Readonly<Record<string, Driver>>;
    onError: (sandboxId: string, error: unknown) => void;
  }) {
    this.#drivers = options.drivers;
    this.#onError = options.onError;
  }

  /** Every sandbox there is: starts what is missing, stops what is gone. */
  replace(sandboxes: readonly Sandbox[]): void {
    const present = new Set(sandboxes.map(({ id }) => id));
    for (const id of this.#running.keys()) if (!present.has(id)) this.#remove(id);
    for (const sandbox of sandboxes) this.#put(sandbox);
  }

  apply(change: Change): void {
    if (change.kind === "sandbox.put") this.#put(change.sandbox);
    else if (change.kind === "sandbox.removed") this.#remove(change.sandboxId);
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#drivers).map((driver) => driver.close()));
  }

  #put(sandbox: Sandbox): void {
    const driver = this.#drivers[sandbox.driver];
    if (driver === undefined) return this.#onError(sandbox.id, new Error(`unknown driver ${sandbox.driver}`));
    const kept = new Set(sandbox.instances.map(({ id }) => id));
    const before = this.#running.get(sandbox.id);
    for (const { id } of before?.instances ?? []) if (!kept.has(id)) this.#stop(before as Sandbox, id);
    this.#running.set(sandbox.id, sandbox);
    for (const instance of sandbox.instances) {
      try {
        driver.start(sandbox, instance);
      } catch (error) {
        this.#onError(sandbox.id, error);
      }
    }
  }

  #remove(sandboxId: string): void {
    const sandbox = this.#running.get(sandboxId);
    this.#running.delete(sandboxId);
    for (const { id } of sandbox?.instances ?? []) this.#stop(sandbox as Sandbox, id);
  }

  #stop(sandbox: Sandbox, instanceId: string): void {
    this.#drivers[sandbox.driver]?.stop(instanceId).catch((error: unknown) => this.#onError(sandbox.id, error));
  }
}
