import { observedHealth, type ObservedHealth } from "../../domain/instance/health.ts";
import { GatewayError } from "../../errors.ts";
import type { AuditLog } from "../../store/audit-log.ts";
import type { StateStore } from "../../store/store.ts";
import type { Actor } from "../control.ts";

/** What is known of the daemon that runs; nothing yet while it starts. */
export interface RunningDaemon {
  readonly pid?: number;
  /** Milliseconds since the epoch. */
  readonly startedAt?: number;
}

/** Names and JSON values as the daemon wrote them: it may tell more than this program knows of. */
export type Observed = Readonly<Record<string, unknown>>;

/** What came of the last reload of the configuration. */
export interface ReloadOutcome {
  /** When the configuration was read, milliseconds since the epoch. */
  readonly at_ms: number;
  /** Why everything stays as it was; null when it does not. */
  readonly problem: string | null;
  /** `NAME = old → new`, of what is in force now. */
  readonly changed: readonly string[];
  /** The same of what waits for the next start. */
  readonly waiting: readonly string[];
  /** What may not be meant, as a key that is none. Absent in what daemons before wrote. */
  readonly warnings?: readonly string[];
}

export interface Status {
  /** Undefined when none runs: what one saw last is history then. */
  readonly daemon: { readonly holder: RunningDaemon; readonly observed: Observed } | undefined;
  readonly sandboxes: number;
  readonly auditRecords: number;
}

export class StatusVerbs {
  readonly #store: Pick<StateStore, "sandboxes" | "observed">;
  readonly #audit: AuditLog;
  readonly #daemon: () => RunningDaemon | undefined;

  constructor(options: {
    store: Pick<StateStore, "sandboxes" | "observed">;
    audit: AuditLog;
    daemon: () => RunningDaemon | undefined;
  }) {
    this.#store = options.store;
    this.#audit = options.audit;
    this.#daemon = options.daemon;
  }

  async find(_actor: Actor): Promise<Status> {
    const holder = this.#daemon();
    return {
      daemon: holder && { holder, observed: await observedByDaemon(this.#store, "daemon") },
      sandboxes: (await this.#store.sandboxes.list()).length,
      auditRecords: await this.#audit.read((table) => table.head()?.seq ?? 0),
    };
  }

  /** State of each instance that the running daemon knows of, by id. */
  async instanceStates(_actor: Actor): Promise<Readonly<Record<string, string>>> {
    return this.#daemon() === undefined ? {} : instanceStates(await observedByDaemon(this.#store, "daemon"));
  }

  /** The instances that are down, as the running daemon's health checks say, by id. */
  async health(_actor: Actor): Promise<Readonly<Record<string, ObservedHealth>>> {
    if (this.#daemon() === undefined) return {};
    const observed = await observedByDaemon(this.#store, "daemon");
    return Object.fromEntries(observedHealth(observed["health"]));
  }

  /** Undefined when no daemon was ever told to reload. */
  async lastReload(_actor: Actor): Promise<ReloadOutcome | undefined> {
    const outcome = await observedByDaemon(this.#store, "reload");
    return typeof outcome["at_ms"] === "number" ? (outcome as unknown as ReloadOutcome) : undefined;
  }

  /** The newest revision that all data threads of a daemon have served; 0 when none ever did. */
  async inForce(_actor: Actor): Promise<number> {
    const { revision } = await observedByDaemon(this.#store, "in_force");
    return typeof revision === "number" ? revision : 0;
  }
}

/** What a daemon wrote under this name; nothing when none ever did. @throws GatewayError GW_005 when it is no JSON. */
export async function observedByDaemon({ observed }: Pick<StateStore, "observed">, name: string): Promise<Observed> {
  const row = await observed.find(name);
  if (row === undefined) return {};
  try {
    return recordFrom(JSON.parse(row.json));
  } catch (cause) {
    throw new GatewayError("GW_005", { details: `what the daemon wrote about ${name} cannot be read`, cause });
  }
}

/** State of each instance in what the daemon saw, by id. */
export function instanceStates(observed: Observed): Readonly<Record<string, string>> {
  const states = Object.entries(recordFrom(observed["instances"]));
  return Object.fromEntries(
    states.map(([id, state]) => [id, typeof state === "string" ? state : JSON.stringify(state)]),
  );
}

/** What may be anything, as names and values; none when it is no object. */
export function recordFrom(value: unknown): Observed {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
