import { hash } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type AuditBatch, AuditOutbox } from "../../audit/outbox.ts";
import { Authenticator } from "../../auth/authenticate.ts";
import { IpAccess } from "../../auth/ip-access.ts";
import { RateLimiter, rateKey } from "../../limits/rate-limit.ts";
import { TokenVerifier } from "../../auth/tokens.ts";
import type { Config } from "../../config/schema.ts";
import type { Change, Revised } from "../../domain/change.ts";
import type { Principal } from "../../domain/principal.ts";
import { applyChange, type Snapshot, type SnapshotData, snapshotFrom } from "../../domain/snapshot/snapshot.ts";
import { asGatewayError, GatewayError } from "../../errors.ts";
import { MetricLane } from "../../observe/metric-slots.ts";
import { Calls } from "../../proxy/routes/calls.ts";
import { ConcurrencyGate } from "../../limits/concurrency.ts";
import { ConnectionCap } from "../../limits/connections.ts";
import { Deadlines } from "../../proxy/dispatch/deadlines.ts";
import type { Dispatch } from "../../proxy/dispatch/dispatch.ts";
import { HeadFlusher } from "../../proxy/forward/forward.ts";
import { HealthPages } from "../../proxy/routes/health.ts";
import { Http1Client } from "../../proxy/upstream/http1/client.ts";
import { SharedBoard } from "../../proxy/health/board.ts";
import { Pipeline } from "../../proxy/routes/pipeline.ts";
import { Recorder } from "../../proxy/request/record.ts";
import { Responder } from "../../proxy/request/respond.ts";
import { createGatewayServer } from "../../proxy/listener/server.ts";

import { createRuntimes, createStrategies } from "../../registry.ts";
import { FLAG, type SharedMemory } from "../shared-memory/layout.ts";

export interface GatewayOptions {
  readonly config: Config;
  readonly memory: SharedMemory;
  readonly thread: number;
  readonly snapshot: SnapshotData;
  readonly signing: { readonly id: string; readonly algorithm: "HS256"; readonly secret: Uint8Array };
  readonly salt: string;
  readonly socketFolder: string;
  /** Takes a batch of audit records; answered through `acknowledge`. */
  readonly sendAudit: (batch: AuditBatch) => void;
  readonly onInternalError: (error: GatewayError, requestId: string) => void;
}

const DRAIN_POLL_MS = 50;

/** One data thread's whole data path: wiring, and what the control thread may tell it. Needs no thread of its own. */
export class Gateway {
  readonly #config: Config;
  readonly #server: Server;
  readonly #outbox: AuditOutbox;
  readonly #client: Http1Client;
  readonly #deadlines: Deadlines<Dispatch>;
  #snapshot: Snapshot;
  #draining = false;

  constructor(options: GatewayOptions) {
    const { config, memory, thread, salt } = options;
    this.#config = config;
    this.#snapshot = snapshotFrom(options.snapshot);
    const snapshot = (): Snapshot => this.#snapshot;
    const lane = new MetricLane(memory.metrics[thread] as Float64Array);
    const board = new SharedBoard({ words: memory.instances, thread });
    const keyOf = (name: string): bigint => rateKey(salt, name);
    this.#outbox = new AuditOutbox({
      send: options.sendAudit,
      strict: config.AUDIT_MODE === "strict",
      onError: (error) => options.onInternalError(asGatewayError(error), ""),
    });
    this.#deadlines = new Deadlines();
    this.#client = new Http1Client({
      connections: config.PROXY_POOL_SIZE,
      connectTimeoutMs: config.PROXY_CONNECT_TIMEOUT,
      keepAliveMs: config.PROXY_KEEPALIVE_TIMEOUT,
      socketFolder: options.socketFolder,
    });
    const recorder = new Recorder({ outbox: this.#outbox, lane });
    const responder = new Responder({ recorder, onInternalError: options.onInternalError });
    const access = new IpAccess({
      allow: config.IP_ALLOW_LIST,
      deny: config.IP_DENY_LIST,
      trusted: config.TRUSTED_PROXIES,
      rateKey: keyOf,
    });
    const authenticator = config.AUTH_ENABLED ? newAuthenticator(options, keyOf) : null;
    const gate = new ConcurrencyGate({
      words: memory.slots,
      thread,
      threads: memory.threads,
      max: config.MAX_CONCURRENT_REQUESTS,
      maxPending: config.MAX_PENDING_REQUESTS,
      maxAgeMs: config.QUEUE_TIMEOUT,
    });
    const auditWorking = (): boolean => Atomics.load(memory.flags, FLAG.auditDown) === 0;
    const draining = (): boolean => Atomics.load(memory.flags, FLAG.draining) === 1;
    const calls = new Calls({
      snapshot,
      gate,
      runtimes: createRuntimes(),
      strategies: createStrategies(),
      defaultStrategy: config.LOAD_BALANCER_STRATEGY,
      dispatching: {
        client: this.#client,
        board,
        deadlines: this.#deadlines,
        lane,
        maxRetries: config.MAX_RETRIES,
        sendTimeoutMs: config.PROXY_SEND_TIMEOUT,
        idleTimeoutMs: config.PROXY_STREAM_IDLE_TIMEOUT,
      },
      forwarding: {
        recorder,
        responder,
        heads: new HeadFlusher(),
        pseudonym: `sandboxgw-${hash("sha256", `via ${salt}`).slice(0, 8)}`, // the same on all threads
        maxBodySize: config.MAX_BODY_SIZE,
        firstByteMs: config.PROXY_TIMEOUT,
      },
      responder,
      board,
      maxBodySize: config.MAX_BODY_SIZE,
      maxResponseSize: config.MAX_RESPONSE_SIZE,
      maxExecuteMs: config.EXECUTE_MAX_TIMEOUT,
      firstByteMs: config.PROXY_TIMEOUT,
      sendTimeoutMs: config.PROXY_SEND_TIMEOUT,
    });
    const pipeline = new Pipeline({
      snapshot,
      gateLimits: { maxHeadersCount: config.MAX_HEADERS_COUNT, maxUrlLength: config.MAX_URL_LENGTH },
      access,
      authenticator,
      anonymous: { principal: ANONYMOUS, rateKey: 0n },
      rateLimiter: newRateLimiter(config, memory),
      ratePolicy: `"default";q=${config.RATE_LIMIT_REQUESTS};w=${Math.ceil(config.RATE_LIMIT_WINDOW / 1000)}`,
      calls,
      responder,
      health: new HealthPages({
        snapshot,
        board,
        auditWorking,
        draining,
        auth: {
          enabled: config.AUTH_ENABLED,
          provider: config.AUTH_PROVIDER,
          cachedTokens: () => authenticator?.cached ?? 0,
        },
        gate,
        maxConcurrent: config.MAX_CONCURRENT_REQUESTS,
        startedAt: Date.now(),
      }),
      lane,
      auditWorking,
      draining,
    });
    this.#server = createGatewayServer({
      limits: {
        headersTimeoutMs: config.HEADERS_TIMEOUT,
        requestTimeoutMs: config.REQUEST_TIMEOUT,
        keepAliveTimeoutMs: config.KEEP_ALIVE_TIMEOUT,
        maxHeaderSize: config.MAX_HEADER_SIZE,
        idleTimeoutMs: longestSilence(config),
      },
      access,
      connections: new ConnectionCap({
        lanes: memory.connections,
        thread,
        salt,
        max: config.MAX_CONNECTIONS,
        maxPerAddress: config.MAX_CONNECTIONS_PER_IP,
      }),
      handle: (req, res) => void pipeline.handle(req, res),
      onRefused: (code) => lane.error(code),
      newRequestId: () => pipeline.newRequestId(),
    });
  }

  /** Resolves with the port. @throws GatewayError GW_010 */
  listen(options: { port: number; reusePort: boolean }): Promise<number> {
    const { GATEWAY_HOST: host } = this.#config;
    return new Promise((resolve, reject) => {
      const onError = (cause: Error): void => reject(new GatewayError("GW_010", { details: cause.message, cause }));
      this.#server.once("error", onError);
      this.#server.listen({ host, port: options.port, reusePort: options.reusePort, backlog: 1024 }, () => {
        this.#server.off("error", onError);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Brings committed changes into force. */
  apply(changes: readonly Revised[]): void {
    for (const revised of changes) {
      const before = this.#snapshot;
      this.#snapshot = applyChange(before, revised);
      if (this.#snapshot === before) continue;
      for (const instanceId of droppedInstances(before, revised.change)) this.#client.forget(instanceId);
    }
    this.#cutRevoked();
  }

  /** Replaces the whole snapshot, when changes have been missed. */
  replace(snapshot: SnapshotData): void {
    this.#snapshot = snapshotFrom(snapshot);
    this.#client.retain(new Set(snapshot.sandboxes.flatMap(({ instances }) => instances.map(({ id }) => id))));
    this.#cutRevoked();
  }

  /** See AuditOutbox.acknowledge. */
  acknowledge(last: number, written: boolean): void {
    this.#outbox.acknowledge(last, written);
  }

  /** Stops accepting and resolves when all connections are closed; after `graceMs` they are cut. */
  drain(graceMs: number): Promise<void> {
    if (this.#draining) return Promise.resolve();
    this.#draining = true;
    return new Promise((resolve) => {
      const poll = setInterval(() => this.#server.closeIdleConnections(), DRAIN_POLL_MS);
      const cut = setTimeout(() => this.#server.closeAllConnections(), graceMs);
      this.#server.close(() => {
        clearInterval(poll);
        clearTimeout(cut);
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }

  /** Ends at once: connections are cut, timers stopped. */
  async close(): Promise<void> {
    await this.drain(0);
    this.#deadlines.close();
    this.#client.close();
  }

  /** Ends the calls of tokens that have been revoked since they began. */
  #cutRevoked(): void {
    const { revoked } = this.#snapshot;
    for (const dispatch of this.#deadlines) {
      const tokenId = dispatch.exchange.principal?.tokenId ?? "";
      if (revoked.get(tokenId) === undefined) continue;
      dispatch.cancel(new GatewayError("AUTH_001", { details: "Token has been revoked", executed: "maybe" }), "cut");
    }
  }
}

/** Instances that a change takes away. */
function droppedInstances(before: Snapshot, change: Change): string[] {
  if (change.kind === "token.revoked") return [];
  const id = change.kind === "sandbox.put" ? change.sandbox.id : change.sandboxId;
  const kept = change.kind === "sandbox.put" ? change.sandbox.instances.map((instance) => instance.id) : [];
  const had = before.sandboxes.get(id)?.instances ?? [];
  return had.map((instance) => instance.id).filter((instanceId) => !kept.includes(instanceId));
}

/** Who calls when authentication is off. */
const ANONYMOUS: Principal = {
  subject: "anonymous",
  role: "executor",
  tokenId: "",
  sandboxes: null,
  operations: null,
  expiresAt: Number.POSITIVE_INFINITY,
};

function newAuthenticator({ config, signing }: GatewayOptions, keyOf: (name: string) => bigint): Authenticator {
  return new Authenticator({
    verifier: new TokenVerifier({
      keys: [signing],
      issuer: config.TOKEN_ISSUER,
      audience: config.TOKEN_AUDIENCE,
      clockSkewMs: config.TOKEN_CLOCK_SKEW,
    }),
    cacheSize: config.TOKEN_CACHE_SIZE,
    skewMs: config.TOKEN_CLOCK_SKEW,
    rateKey: keyOf,
    now: Date.now,
  });
}

function newRateLimiter(config: Config, memory: SharedMemory): RateLimiter | null {
  if (!config.RATE_LIMIT_ENABLED) return null;
  return new RateLimiter({
    cells: memory.rate,
    requests: config.RATE_LIMIT_REQUESTS,
    windowMs: config.RATE_LIMIT_WINDOW,
    burst: config.RATE_LIMIT_BURST,
  });
}

/** Longer than every wait that has a deadline of its own, so that it only catches what those do not see. */
function longestSilence(config: Config): number {
  const waits = [
    config.PROXY_TIMEOUT,
    config.PROXY_STREAM_IDLE_TIMEOUT,
    config.PROXY_SEND_TIMEOUT,
    config.EXECUTE_MAX_TIMEOUT,
  ];
  return Math.max(...waits, config.KEEP_ALIVE_TIMEOUT) + 15_000;
}
