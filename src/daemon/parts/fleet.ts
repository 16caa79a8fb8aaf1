import type { Config } from "../../config/schema.ts";
import type { InstanceStateName } from "../../domain/instance/state.ts";
import type { Instance } from "../../domain/sandbox.ts";
import { Fleet } from "../../lifecycle/fleet.ts";
import { createDrivers } from "../../registry.ts";
import type { Log } from "./log.ts";
import type { Parts } from "./parts.ts";

/** The instances that the daemon runs itself, under the drivers of their sandboxes. */
export async function startFleet(parts: Parts, options: FleetOptions): Promise<Fleet> {
  const { config, runDirectory, cacheDirectory, log, onState } = options;
  const fleet = new Fleet({
    drivers: createDrivers({
      config,
      runDirectory,
      cacheDirectory,
      report(instance, state, reason) {
        onState(instance, state);
        log.info({ sandbox: instance.sandboxId, instance: instance.id, state, reason }, "instance");
      },
      warn: (text) => log.warn({}, text),
    }),
    onError: (sandbox, error) => log.error({ sandbox, error: String(error) }, "sandbox driver failed"),
  });
  return await parts.open(
    "fleet",
    () => fleet,
    () => fleet.close(),
  );
}

interface FleetOptions {
  readonly config: Config;
  readonly runDirectory: string;
  readonly cacheDirectory: string;
  readonly log: Log;
  /** An instance that a driver looks after is in this state from now on. */
  readonly onState: (instance: Instance, state: InstanceStateName) => void;
}
