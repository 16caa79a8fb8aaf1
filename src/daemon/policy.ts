// What the configuration decides about every request: made whole, swapped whole.

import type { Exchange } from "../proxy/request/exchange.ts";
import { hash } from "node:crypto";
import type { AuditOutbox } from "../audit/outbox.ts";
import type { Refusals } from "../audit/refusals.ts";
import { Authenticator } from "../auth/authenticate.ts";
import { nobody } from "../auth/caller.ts";
import { SessionCredential } from "../auth/credentials/session.ts";
import { TicketCredential } from "../auth/credentials/ticket.ts";
import type { SandboxAddresses } from "../auth/addresses/sandbox-addresses.ts";
import { IpAccess } from "../auth/ip-access.ts";
import type { KeySource } from "../auth/oidc/key-source.ts";
import type { ThreadKeys } from "../auth/keys/key-ring.ts";
import type { Config } from "../config/schema.ts";
import { withoutCredential } from "../domain/principal.ts";
import type { SandboxIndex } from "../domain/selection/sandbox-index.ts";
import type { Snapshot } from "../domain/snapshot/snapshot.ts";
import type { Use } from "../domain/token.ts";
import type { GatewayError } from "../errors.ts";
import { Cap } from "../limits/cap.ts";
import { ConcurrencyGate } from "../limits/concurrency.ts";
import { ConnectionCap } from "../limits/connections.ts";
import { type Cells, rateKey } from "../limits/rate/rate-limit.ts";
import { NarrowLimits } from "../limits/rate/narrow-limits.ts";
import { Lockout } from "../limits/rate/lockout.ts";
import { RateLimits } from "../limits/rate/rate-limits.ts";
import { type SketchKey, sketchKey } from "../limits/sketch.ts";
import { TicketSlots } from "../limits/ticket-slots.ts";
import { Streams } from "../limits/streams.ts";
import type { Tally } from "../limits/tunnels/tally.ts";
import { Tunnels } from "../limits/tunnels/tunnels.ts";
import type { MetricLane } from "../observe/metric-slots.ts";
import { Balancer } from "../proxy/balance/balancer.ts";
import { Stickiness } from "../proxy/balance/stickiness/stickiness.ts";
import type { Deadlines } from "../proxy/request/deadlines.ts";
import { Deliveries } from "../proxy/request/delivery.ts";
import { RetryBudget } from "../proxy/dispatch/retry-budget.ts";
import { type Timeouts, TimeoutsBySettings } from "../proxy/dispatch/timeouts.ts";
import type { HeadFlusher } from "../proxy/forward/forward.ts";
import { Transforms } from "../proxy/forward/transform/transforms.ts";
import { SharedBoard } from "../proxy/health/board.ts";
import type { ListenerPolicy, ServerLimits } from "../proxy/listener/server.ts";
import type { InFlight } from "../proxy/request/in-flight.ts";
import { Recorder } from "../proxy/request/record.ts";
import { Responder } from "../proxy/request/respond.ts";
import { Admission } from "../proxy/routes/admit.ts";
import { ExecuteRoute } from "../proxy/routes/execute.ts";
import { hostSuffix } from "../proxy/routes/host.ts";
import { EffectiveSettings } from "../proxy/routes/custom/effective-settings.ts";
import { HealthPages } from "../proxy/routes/health.ts";
import { Pipeline } from "../proxy/routes/pipeline.ts";
import { Preflights } from "../proxy/routes/preflight/preflights.ts";
import { SandboxesRoute } from "../proxy/routes/sandboxes.ts";
import type { SessionKeeper } from "../proxy/routes/browser/keeper.ts";
import { HostForm } from "../proxy/routes/browser/host-form.ts";
import { SessionRoute } from "../proxy/routes/browser/session.ts";
import { TicketsRoute } from "../proxy/routes/links/tickets.ts";
import { TransparentRoute } from "../proxy/routes/transparent.ts";
import { Selection } from "../proxy/balance/selection.ts";
import type { UpstreamClient } from "../proxy/upstream/upstream.ts";
import type { Mappers } from "../transform/mapper/mappers.ts";
import { createCredentials, createRuntimes, createStrategies, runLimits } from "../registry.ts";
import {
  bodyMemoryLimits,
  circuitLimits,
  healthDefaults,
  longestSilence,
  minimumRate,
  ratesOf,
  streamLimits,
  tunnelLimits,
} from "./limits.ts";
import { FLAG, refusesUnrecorded, type SharedMemory } from "./shared-memory/layout.ts";

/** What outlives a policy: state, connections, and the thread's place in shared memory. */
export interface Shell {
  readonly memory: SharedMemory;
  readonly thread: number;
  /** Random per process; see `rateKey`. */
  readonly salt: string;
  readonly keys: ThreadKeys;
  readonly onInternalError: (error: GatewayError, requestId: string) => void;
  readonly snapshot: () => Snapshot;
  /** Of the labels of the snapshot's sandboxes. */
  readonly index: () => SandboxIndex;
  readonly outbox: AuditOutbox;
  readonly refusals: Refusals;
  readonly client: UpstreamClient;
  readonly inFlight: InFlight<Exchange>;
  readonly sessions: SessionKeeper;
  readonly keySource: KeySource;
  readonly addresses: SandboxAddresses;
  readonly deadlines: Deadlines;
  readonly heads: HeadFlusher;
  /** Its processes outlive a policy. */
  readonly mappers: Mappers;
  readonly lane: MetricLane;
  /** Slots that are taken and calls that wait outlive a policy. */
  readonly gate: ConcurrencyGate;
  readonly tunnels: Tally;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export interface Policy extends ListenerPolicy {
  readonly pipeline: Pipeline;
  readonly streams: Streams;
  /** See Authenticator.usesSince. */
  readonly usesSince: (since: number) => Use[];
  readonly serverLimits: ServerLimits;
}

/** Everything that follows from the configuration, around what the shell has. */
export function createPolicy(config: Config, shell: Shell): Policy {
  const { memory, thread, salt, snapshot, gate, lane, onInternalError } = shell;
  const keyOf = (name: string): bigint => rateKey(salt, name);
  const shareKeyOf = (name: string): SketchKey => sketchKey(salt, name, memory.slots.heldBy[0]?.length as number);
  const recorder = new Recorder({ outbox: shell.outbox, refusals: shell.refusals, lane, intent: config.AUDIT_INTENT });
  const deliveries = new Deliveries({
    deadlines: shell.deadlines,
    timeoutMs: config.PROXY_SEND_TIMEOUT,
    onStalled: () => lane.error("PROXY_006"),
  });
  const responder = new Responder({ recorder, deliveries, onInternalError });
  const access = new IpAccess({
    allow: config.IP_ALLOW_LIST,
    deny: config.IP_DENY_LIST,
    trusted: config.TRUSTED_PROXIES,
    rateKey: keyOf,
  });
  const connections = new ConnectionCap({
    lanes: memory.connections,
    thread,
    salt,
    max: config.MAX_CONNECTIONS,
    maxPerAddress: config.MAX_CONNECTIONS_PER_IP,
  });
  const slots = new TicketSlots(memory.tickets);
  const ticketing = new TicketCredential({ hashKey: shell.keys.tokenHashKey, salt, slots, now: Date.now });
  const authenticator = config.AUTH_ENABLED ? newAuthenticator(config, shell, ticketing, keyOf, shareKeyOf) : null;
  const streams = new Streams({ cap: new Cap({ lanes: memory.streams, thread, ...streamLimits(config) }) });
  const tunnels = new Tunnels({ tally: shell.tunnels, limits: tunnelLimits(config), keyOf });
  const auditWorking = (): boolean => Atomics.load(memory.flags, FLAG.auditDown) === 0;
  const failMode = config.AUDIT_FAIL_MODE;
  const draining = (): boolean => Atomics.load(memory.flags, FLAG.draining) === 1;
  const board = new SharedBoard({ words: memory.instances, thread, circuits: circuitLimits(config) });
  const balancer = new Balancer({
    board,
    byName: createStrategies(config),
    initial: config.LOAD_BALANCER_STRATEGY,
    slowStartMs: config.SLOW_START,
    health: healthDefaults(config),
  });
  const stickiness = new Stickiness({
    secret: shell.keys.stickyKey,
    words: memory.sessions,
    ttlMs: config.STICKY_TTL,
    now: Date.now,
  });
  const selection = new Selection({ index: shell.index, board, balancer });
  const narrow = config.RATE_LIMIT_ENABLED
    ? new NarrowLimits({
        cells: memory.rate,
        roles: config.ROLE_RATE_LIMITS,
        operations: config.OPERATION_RATE_LIMITS,
        rateKey: keyOf,
      })
    : null;
  const admission = new Admission({
    snapshot,
    addresses: shell.addresses,
    narrow,
    gate,
    shareKey: shareKeyOf,
    skewMs: config.TOKEN_CLOCK_SKEW,
    now: Date.now,
  });
  const dispatching = {
    client: shell.client,
    balancer,
    board,
    deadlines: shell.deadlines,
    lane,
    maxRetries: config.MAX_RETRIES,
    repeats: new RetryBudget(),
  };
  const timeouts: Timeouts = {
    poolMs: config.PROXY_POOL_TIMEOUT,
    connectMs: config.PROXY_CONNECT_TIMEOUT,
    firstByteMs: config.PROXY_TIMEOUT,
    idleMs: config.PROXY_STREAM_IDLE_TIMEOUT,
    wholeMs: Number.POSITIVE_INFINITY,
    sendMs: config.PROXY_SEND_TIMEOUT,
    totalMs: config.PROXY_TOTAL_TIMEOUT === "off" ? Number.POSITIVE_INFINITY : config.PROXY_TOTAL_TIMEOUT,
    tunnelIdleMs: config.PROXY_TUNNEL_IDLE_TIMEOUT,
    tunnelMaxAgeMs: config.PROXY_TUNNEL_MAX_AGE === "off" ? Number.POSITIVE_INFINITY : config.PROXY_TUNNEL_MAX_AGE,
  };
  const bodyMemory = new Cap({ lanes: memory.bodies, thread, ...bodyMemoryLimits(config) });
  const settings = new EffectiveSettings();
  const transparent = new TransparentRoute({
    selection,
    settings,
    admission,
    dispatching,
    stickiness,
    forwarding: {
      recorder,
      responder,
      heads: shell.heads,
      streams,
      deliveries,
      deadlines: shell.deadlines,
      pseudonym: `sandboxgw-${hash("sha256", `via ${salt}`).slice(0, 8)}`, // the same on all threads
      maxBodySize: config.MAX_BODY_SIZE,
      bodyMemory,
      minimumRate: minimumRate(config),
      bodyLimits: { silenceMs: config.PROXY_SEND_TIMEOUT, rate: minimumRate(config) },
      mappers: shell.mappers,
    },
    recorder,
    timeouts: new TimeoutsBySettings(timeouts),
    transforms: new Transforms(),
    maxBodySize: config.MAX_BODY_SIZE,
    tunnels,
  });
  const execute = new ExecuteRoute({
    admission,
    runtimes: createRuntimes(config),
    dispatching,
    stickiness,
    recorder,
    responder,
    bodyMemory,
    bodyLimits: { size: config.MAX_BODY_SIZE, silenceMs: config.PROXY_SEND_TIMEOUT, rate: minimumRate(config) },
    maxResponseSize: config.MAX_RESPONSE_SIZE,
    limits: { maxTimeoutMs: config.EXECUTE_MAX_TIMEOUT, maxMembers: config.MAX_JSON_MEMBERS },
    ownLimitsMs: runLimits(config),
    timeouts: new TimeoutsBySettings({ ...timeouts, totalMs: Number.POSITIVE_INFINITY }),
    defaultTimeoutMs: config.PROXY_TIMEOUT,
  });
  const sandboxes = new SandboxesRoute({ snapshot, board, responder });
  const tickets = new TicketsRoute({
    tickets: authenticator === null ? null : ticketing,
    admission,
    responder,
    bodyMemory,
    bodyLimits: { silenceMs: config.PROXY_SEND_TIMEOUT, rate: minimumRate(config) },
  });
  const sessionCredential = new SessionCredential(shell.keys.tokenHashKey);
  const session = new SessionRoute({
    credential: sessionCredential,
    keeper: shell.sessions,
    snapshot,
    responder,
    idleMs: config.SESSION_IDLE_TIMEOUT,
  });
  const suffix = hostSuffix(config.GATEWAY_DOMAIN);
  const preflights = new Preflights({
    snapshot,
    hostSuffix: suffix,
    settings,
    transparent,
    responder,
    shareKey: shareKeyOf("preflights"),
  });
  const pipeline = new Pipeline({
    preflights,
    snapshot,
    inFlight: shell.inFlight,
    headLimits: {
      maxHeadersCount: config.MAX_HEADERS_COUNT,
      maxUrlLength: config.MAX_URL_LENGTH,
      underscoreFields: config.UNDERSCORE_FIELDS,
    },
    hostSuffix: suffix,
    access,
    connections,
    authenticator,
    anonymous: nobody(withoutCredential("anonymous", "executor"), null),
    lockout: newLockout(config, memory.rate),
    narrow,
    rates: config.RATE_LIMIT_ENABLED ? new RateLimits({ cells: memory.rate, rates: ratesOf(config) }) : null,
    transparent,
    execute,
    sandboxes,
    tickets,
    session,
    hostForm:
      config.BROWSER_HOST_FORM && config.GATEWAY_DOMAIN !== ""
        ? new HostForm({ credential: sessionCredential, suffix, snapshot, responder })
        : null,
    responder,
    health: new HealthPages({
      snapshot,
      board,
      auditWorking,
      refusesUnrecorded: () => refusesUnrecorded(memory, failMode),
      draining,
      auth: {
        enabled: config.AUTH_ENABLED,
        provider: config.AUTH_PROVIDER.join(","),
        cachedTokens: () => authenticator?.cached ?? 0,
      },
      gate,
      streams,
      tunnels,
      maxConcurrent: config.MAX_CONCURRENT_REQUESTS,
      startedAt: shell.startedAt,
    }),
    lane,
    refusesUnrecorded: () => refusesUnrecorded(memory, failMode),
    draining,
  });
  return {
    pipeline,
    usesSince: (since) => authenticator?.usesSince(since) ?? [],
    access,
    streams,
    connections,
    serverLimits: {
      headersTimeoutMs: config.HEADERS_TIMEOUT,
      requestTimeoutMs: config.REQUEST_TIMEOUT,
      keepAliveTimeoutMs: config.KEEP_ALIVE_TIMEOUT,
      maxHeaderSize: config.MAX_HEADER_SIZE,
      idleTimeoutMs: longestSilence(config),
    },
  };
}

function newAuthenticator(
  config: Config,
  { keys, keySource }: Shell,
  tickets: TicketCredential,
  keyOf: (name: string) => bigint,
  shareKeyOf: (name: string) => SketchKey,
): Authenticator {
  return new Authenticator({
    kinds: createCredentials({ config, keys, tickets, keySource }),
    cacheSize: config.TOKEN_CACHE_SIZE,
    skewMs: config.TOKEN_CLOCK_SKEW,
    rateKey: keyOf,
    shareKey: shareKeyOf,
    now: Date.now,
  });
}

function newLockout(config: Config, cells: Cells): Lockout | null {
  const { RATE_LIMIT_ENABLED, AUTH_LOCKOUT_ATTEMPTS: attempts, AUTH_LOCKOUT_DURATION: durationMs } = config;
  return RATE_LIMIT_ENABLED && attempts !== "off" ? new Lockout({ cells, attempts, durationMs }) : null;
}
