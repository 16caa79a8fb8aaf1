import { isDaemonRunning } from "../daemon/lock.ts";
import type { Workspace } from "./workspace.ts";

/** What the running daemon last wrote about itself; undefined when none runs, for then it is history. */
export function observedDaemon({ folder, store }: Workspace): Readonly<Record<string, unknown>> | undefined {
  if (!isDaemonRunning(folder.lock)) return undefined;
  const observed = store.observed.find("daemon");
  return recordFrom(observed === undefined ? {} : JSON.parse(observed.json));
}

/** State of each instance the daemon knows of, by id. */
export function instanceStates(
  daemon: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, string>> {
  const states = Object.entries(recordFrom(daemon?.["instances"]));
  return Object.fromEntries(
    states.map(([id, state]) => [id, typeof state === "string" ? state : JSON.stringify(state)]),
  );
}

function recordFrom(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
