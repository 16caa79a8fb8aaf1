// Nouns as the command line prints them: JSON is snake_case with RFC 3339 times, and stable.
import type { CustomRoute } from "../../domain/route/route.ts";
import type { ObservedHealth } from "../../domain/instance/health.ts";
import type { Instance, Sandbox } from "../../domain/sandbox.ts";
import { NEVER, type TokenRecord } from "../../domain/token.ts";
import { settingsView } from "../../domain/settings/settings.ts";
import { timestamp } from "./output.ts";

export type TokenStatus = "active" | "expired" | "revoked";

export function tokenStatus(token: TokenRecord, now: number): TokenStatus {
  if (token.revokedAt !== null) return "revoked";
  return token.expiresAt <= now ? "expired" : "active";
}

/** Without the hash: nobody needs it, and what is not printed does not leak. */
export function tokenView(token: TokenRecord, now: number): Record<string, unknown> {
  return {
    id: token.id,
    form: token.form,
    prefix: token.prefix,
    subject: token.subject,
    role: token.role,
    sandboxes: token.sandboxes,
    operations: token.operations,
    status: tokenStatus(token, now),
    created_at: timestamp(token.createdAt),
    expires_at: token.expiresAt === NEVER ? null : timestamp(token.expiresAt),
    revoked_at: token.revokedAt === null ? null : timestamp(token.revokedAt),
    last_used_at: token.lastUsedAt === null ? null : timestamp(token.lastUsedAt),
  };
}

/** States of instances by id, as the running daemon sees them. */
export type States = Readonly<Record<string, string>>;

/** The instances that are down as its health checks say, by id. */
export type Down = Readonly<Record<string, ObservedHealth>>;

export function sandboxView(sandbox: Sandbox, states: States = {}, down: Down = {}): Record<string, unknown> {
  const { id, runtime, driver, strategy, labels, createdAt } = sandbox;
  const instances = sandbox.instances.map((instance) => instanceView(instance, states, down));
  const settings = settingsView(sandbox.settings);
  return { id, runtime, driver, strategy, labels, settings, created_at: timestamp(createdAt), instances };
}

/** `up`, `down`, … where all instances are the same, else how many of them are up: `2/3 up`. */
export function sandboxState({ instances }: Sandbox, states: States): string {
  const words = instances.map(({ id }) => states[id] ?? "unknown");
  const [first = "unknown"] = words;
  if (words.every((word) => word === first)) return first;
  return `${words.filter((word) => word === "up").length}/${words.length} up`;
}

/** `state` is null when no daemon runs, and `down` where no health check says that it is. */
export function instanceView(instance: Instance, states: States = {}, down: Down = {}): Record<string, unknown> {
  const { id, sandboxId, url, number, weight, draining, tripped } = instance;
  return {
    id,
    sandbox_id: sandboxId,
    url,
    number,
    weight,
    draining,
    tripped,
    state: states[id] ?? null,
    down: downView(down[id]),
  };
}

function downView(health: ObservedHealth | undefined): Record<string, unknown> | null {
  return health === undefined ? null : { since: timestamp(health.since_ms), problem: health.problem };
}

export function routeView(route: CustomRoute): Record<string, unknown> {
  const { id, host, path, methods, stripPrefix, sandboxId, createdAt } = route;
  const settings = settingsView(route.settings);
  const created_at = timestamp(createdAt);
  return { id, host, path, methods, strip_prefix: stripPrefix, sandbox_id: sandboxId, settings, created_at };
}

/** A narrowing as a table cell. */
export function narrowed(names: readonly string[] | null): string {
  return names === null ? "*" : names.join(",") || "none";
}
