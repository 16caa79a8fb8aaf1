import { type Config, isSecret, KEY_NAMES, type KeyName, SCHEMA } from "./schema.ts";

/**
 * Keys that a running gateway keeps as they were until it is started again: what it listens on, its threads, its state, its
 * keys, the parts that live as long as it does. All others follow a reload.
 */
const FIXED: ReadonlySet<KeyName> = new Set<KeyName>([
  "GATEWAY_HOST",
  "GATEWAY_PORT",
  "GATEWAY_WORKERS",
  "HTTP_REDIRECT_PORT",
  "TLS_CLIENT_AUTH",
  "THREAD_HANG_TIMEOUT",
  "SHUTDOWN_DELAY",
  "SHUTDOWN_GRACE",
  "HANDOVER_MAX_AGE",
  "STREAM_AFTER",
  "ADMIN_HOST",
  "ADMIN_PORT",
  "DATA_DIR",
  "SECRETS_KEY_FILE",
  "TOKEN_SECRET",
  // Revocations are kept for as long as tokens are good with it.
  "TOKEN_CLOCK_SKEW",
  "PROXY_POOL_SIZE",
  "PROXY_KEEPALIVE_TIMEOUT",
  "PROXY_DNS_SERVERS",
  "SANDBOX_RUN_TIMEOUT",
  "SANDBOX_OUTPUT_LIMIT",
  "SANDBOX_MEMORY",
  "SANDBOX_MAX_RUNS",
  "EXECUTE_MAX_TIMEOUT",
  "MAX_BODY_SIZE",
  "AUDIT_MODE",
  "AUDIT_FAIL_MODE",
  "AUDIT_SINK_FILE",
  "AUDIT_DURABILITY",
  "AUDIT_CHECKPOINT_INTERVAL",
  "AUDIT_RETENTION",
  "LOG_LEVEL",
  "LOG_FORMAT",
]);

export interface Reload {
  /** What is in force from now on: the new configuration, where it can follow. */
  readonly config: Config;
  /** Keys that follow. */
  readonly changed: readonly KeyName[];
  /** Keys whose new values wait for the next start. */
  readonly waiting: readonly KeyName[];
}

/** What becomes of a running gateway's configuration when another one is read. */
export function reload(running: Config, read: Config): Reload {
  const different = KEY_NAMES.filter((name) => textOf(name, running) !== textOf(name, read));
  const changed = different.filter((name) => !FIXED.has(name));
  const following = Object.fromEntries(changed.map((name) => [name, read[name]]));
  return { config: { ...running, ...following }, changed, waiting: different.filter((name) => FIXED.has(name)) };
}

/** `NAME = old → new` for people; a secret's values are not shown. */
export function describeChange(name: KeyName, running: Config, read: Config): string {
  return isSecret(name) ? `${name} = (changed)` : `${name} = ${textOf(name, running)} → ${textOf(name, read)}`;
}

function textOf(name: KeyName, config: Config): string {
  return (SCHEMA[name].value.format as (value: unknown) => string)(config[name]);
}
