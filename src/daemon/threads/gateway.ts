import type { Exchange } from "../../proxy/request/exchange.ts";
import type { Server } from "node:http";
import { isDeepStrictEqual } from "node:util";
import { type AuditBatch, AuditOutbox } from "../../audit/outbox.ts";
import { Refusals } from "../../audit/refusals.ts";
import type { KeySource } from "../../auth/oidc/key-source.ts";
import { SandboxAddresses } from "../../auth/addresses/sandbox-addresses.ts";
import type { ThreadKeys } from "../../auth/keys/key-ring.ts";
import type { Config } from "../../config/schema.ts";
import type { Revised } from "../../domain/change.ts";
import {
  applyChange,
  dropped,
  type Extent,
  extentOf,
  forgetExpired,
  held,
  isSameExtent,
  type Snapshot,
  type SnapshotData,
  snapshotFrom,
} from "../../domain/snapshot/snapshot.ts";
import type { SessionKeeper } from "../../proxy/routes/browser/keeper.ts";
import { sessionIdOf } from "../../domain/credential/session.ts";
import type { Use } from "../../domain/token.ts";
import { SandboxIndex } from "../../domain/selection/sandbox-index.ts";
import { NO_SETTINGS } from "../../domain/settings/settings.ts";
import { asGatewayError, GatewayError } from "../../errors.ts";
import { ConcurrencyGate } from "../../limits/concurrency.ts";
import { Tally } from "../../limits/tunnels/tally.ts";
import { MetricLane } from "../../observe/metric-slots.ts";
import { Deadlines } from "../../proxy/request/deadlines.ts";
import { HeadFlusher } from "../../proxy/forward/forward.ts";
import { ClientCertificates } from "../../proxy/listener/client-certificates.ts";
import { createGatewayServer, limitServer, renewCertificate } from "../../proxy/listener/server.ts";
import { InFlight } from "../../proxy/request/in-flight.ts";
import { LongAnswers } from "../../proxy/routes/long-answers.ts";
import { endDenied, recheck } from "../../proxy/routes/admit.ts";
import { Http1Client } from "../../proxy/upstream/http1/client.ts";
import { createLookup } from "../../proxy/upstream/reach/lookup.ts";
import { Names } from "../../proxy/upstream/reach/names.ts";
import { type DrainOrder, drain } from "./drain.ts";
import { type ListeningPlace, Listeners } from "./listeners.ts";
import { type FrontTls, readFrontTls } from "./front-tls.ts";
import { type Reaching, readReaching, trustWith } from "./trust.ts";
import { Mappers } from "../../transform/mapper/mappers.ts";
import { gateLimits } from "../limits.ts";
import { createPolicy, type Policy, type Shell } from "../policy.ts";
import type { PulseWords, SharedMemory } from "../shared-memory/layout.ts";

export interface GatewayOptions {
  readonly config: Config;
  readonly memory: SharedMemory;
  readonly thread: number;
  readonly snapshot: SnapshotData;
  readonly keys: ThreadKeys;
  readonly salt: string;
  readonly socketFolder: string;
  /** Takes a batch of audit records; answered through `acknowledge`. */
  readonly sendAudit: (batch: AuditBatch) => void;
  readonly sessions: SessionKeeper;
  /** Keys of identity providers. */
  readonly keySource: KeySource;
  /** Takes when credentials were last used, every 20 seconds. */
  readonly sendUses: (uses: readonly Use[]) => void;
  readonly onInternalError: (error: GatewayError, requestId: string) => void;
}

const USES_EVERY_MS = 20_000;

/**
 * One data thread's whole data path. The gateway itself is the long-lived shell: listener, outbox, upstream client,
 * exchanges in flight. What the configuration decides is a policy, made apart and swapped whole. Needs no thread of its own.
 */
export class Gateway {
  readonly #config: Config;
  readonly #server: Server;
  readonly #listeners: Listeners;
  readonly #shell: Shell;
  readonly #outbox: AuditOutbox;
  readonly #refusals = new Refusals({ submit: (record) => this.#outbox.submit(record, null), now: Date.now });
  readonly #client: Http1Client;
  /** Exchanges that are not both recorded and closed. */
  readonly inFlight = new InFlight<Exchange>();
  readonly #deadlines = new Deadlines();
  #policy: Policy;
  readonly #longAnswers: LongAnswers;
  /** What it follows, and what it did before that. */
  #rules: Rules;
  #rulesBefore: Rules | undefined;
  readonly #certificates: ClientCertificates | null;
  #snapshot: Snapshot;
  #index: SandboxIndex;
  readonly #sendUses: (uses: readonly Use[]) => void;
  readonly #uses: NodeJS.Timeout;
  /** Milliseconds since the epoch. */
  #usesToldAt = Date.now();
  #drained: Promise<void> | undefined;
  #deadline: { at: number } | undefined;

  constructor(options: GatewayOptions) {
    const { config, memory, thread, salt, keys, onInternalError } = options;
    this.#config = config;
    this.#snapshot = snapshotFrom(options.snapshot);
    this.#index = new SandboxIndex(this.#snapshot.sandboxes.values());
    this.#outbox = new AuditOutbox({
      send: options.sendAudit,
      strict: config.AUDIT_MODE === "strict",
      servesUnrecorded: config.AUDIT_FAIL_MODE === "open",
      onError: (error) => onInternalError(asGatewayError(error), ""),
    });
    this.#rules = readRules(config, salt);
    const trust = this.#rules.tls?.clients ?? null;
    this.#certificates = trust && new ClientCertificates(trust);
    this.#client = new Http1Client({
      connections: config.PROXY_POOL_SIZE,
      keepAliveMs: config.PROXY_KEEPALIVE_TIMEOUT,
      socketFolder: options.socketFolder,
      names: new Names(createLookup({ servers: config.PROXY_DNS_SERVERS })),
      targets: () => this.#rules.reaching.targets,
      trust: ({ sandboxId }) =>
        trustWith(this.#rules.reaching.trust, this.#snapshot.sandboxes.get(sandboxId)?.settings ?? NO_SETTINGS),
    });
    this.#shell = {
      memory,
      thread,
      salt,
      keys,
      onInternalError,
      snapshot: () => this.#snapshot,
      index: () => this.#index,
      outbox: this.#outbox,
      refusals: this.#refusals,
      client: this.#client,
      inFlight: this.inFlight,
      sessions: options.sessions,
      keySource: options.keySource,
      addresses: new SandboxAddresses(),
      deadlines: this.#deadlines,
      heads: new HeadFlusher(),
      mappers: new Mappers(),
      lane: new MetricLane(memory.metrics[thread] as Float64Array),
      gate: new ConcurrencyGate({ words: memory.slots, thread, threads: memory.threads, limits: gateLimits(config) }),
      tunnels: new Tally({ words: memory.tunnels, thread }),
      startedAt: Date.now(),
    };
    this.#policy = createPolicy(config, this.#shell);
    this.#sendUses = options.sendUses;
    this.#uses = setInterval(() => this.#tellUses(), USES_EVERY_MS).unref();
    this.#tellRevision();
    this.#longAnswers = new LongAnswers({
      inFlight: this.inFlight,
      streams: () => this.#policy.streams,
      afterMs: config.STREAM_AFTER,
      skewMs: config.TOKEN_CLOCK_SKEW,
    });
    this.#server = createGatewayServer({
      tls: this.#rules.tls?.options ?? null,
      certificates: this.#certificates,
      limits: this.#policy.serverLimits,
      policy: () => this.#policy,
      handle: (req, res) => this.#policy.pipeline.handle(req, res),
      onRefused: (code) => this.#shell.lane.error(code),
      onDenied: (address) => this.#denied(address),
      newRequestId: () => this.#policy.pipeline.newRequestId(),
    });
    this.#listeners = new Listeners(this.#server);
  }

  /** Resolves with the port. @throws GatewayError GW_010 */
  listen(place: ListeningPlace): Promise<number> {
    const onError = (error: Error): void => this.#shell.onInternalError(asGatewayError(error), "");
    return this.#listeners.listen(place, this.#config.GATEWAY_HOST, onError);
  }

  get listeningFds(): readonly number[] {
    return this.#listeners.fds;
  }

  /** Brings committed changes into force. */
  apply(changes: readonly Revised[]): void {
    for (const revised of changes) {
      const before = this.#snapshot;
      this.#snapshot = applyChange(before, revised);
      if (this.#snapshot === before) continue;
      this.#index.apply(revised.change);
      for (const instanceId of dropped(before, revised.change).instances) this.#client.forget(instanceId);
    }
    recheck(this.inFlight, this.#snapshot, this.#shell.addresses);
    this.#tellRevision();
  }

  /** Replaces the whole snapshot, when changes have been missed. */
  replace(snapshot: SnapshotData): void {
    this.#snapshot = snapshotFrom(snapshot);
    this.#index = new SandboxIndex(this.#snapshot.sandboxes.values());
    this.#client.retain(new Set(held(this.#snapshot).instances));
    recheck(this.inFlight, this.#snapshot, this.#shell.addresses);
    this.#tellRevision();
  }

  /**
   * Forgets what expired by then (ms since the epoch) and is of no use any more. False when not as much is left as there
   * should be: then a change was lost on the way.
   */
  forgetExpired(expiredBy: number, left: Extent): boolean {
    this.#snapshot = forgetExpired(this.#snapshot, expiredBy);
    return isSameExtent(extentOf(this.#snapshot), left);
  }

  /**
   * Builds a policy from another configuration beside the present one and swaps them: every request from now on follows the
   * new one, on open connections too; exchanges in flight end under the one they began with, except what has no end of its own
   * and comes from an address that may not call any more. What is counted stays counted.
   * Certificates are read anew, for connections that are opened from now on; what clients have open ends whose certificates
   * are not good any more.
   * Connections to instances that are idle are closed only when where those may be, or how they are known, has changed. The
   * listener's address, the size of the upstream client's pools, PROXY_DNS_SERVERS, AUDIT_MODE, AUDIT_FAIL_MODE and STREAM_AFTER stay until a restart.
   * @throws GatewayError GW_012 when a file that it names is not what it should be; then everything stays.
   */
  reconfigure(config: Config): void {
    const rules = readRules(config, this.#shell.salt);
    if ((rules.tls === null) !== (this.#rules.tls === null)) {
      throw new GatewayError("GW_012", { details: "TLS is switched on and off by a restart only" });
    }
    const before = this.#rules;
    this.#follow(rules);
    this.#rulesBefore = before;
  }

  /** Follows what it did before `reconfigure`, since another thread cannot follow: reads no file, which could have changed. */
  revert(): void {
    if (this.#rulesBefore !== undefined) this.#follow(this.#rulesBefore);
    this.#rulesBefore = undefined;
  }

  #follow(rules: Rules): void {
    const { config, reaching, tls } = rules;
    if (tls !== null) renewCertificate(this.#server, tls.options);
    const trust = tls?.clients ?? null;
    if (trust !== null) this.#certificates?.renew(trust);
    if (!isDeepStrictEqual(reaching.basis, this.#rules.reaching.basis)) this.#client.retain(new Set());
    this.#rules = rules;
    this.#tellUses(); // who is known is forgotten with the policy
    this.#policy = createPolicy(config, this.#shell);
    this.#shell.gate.configure(gateLimits(config));
    limitServer(this.#server, this.#policy.serverLimits);
    endDenied(this.inFlight, this.#policy.access);
  }

  /** See AuditOutbox.acknowledge. */
  acknowledge(last: number, written: boolean): void {
    this.#outbox.acknowledge(last, written);
  }

  /** See `drain`. Asked for again, it may end earlier than it would have, and in no other way. */
  drain({ graceMs, ...order }: DrainOrder): Promise<void> {
    const deadline = (this.#deadline ??= { at: Infinity });
    deadline.at = Math.min(deadline.at, performance.now() + graceMs);
    this.#drained ??= drain({
      ...order,
      deadline,
      server: this.#server,
      listeners: this.#listeners,
      inFlight: this.inFlight,
      outbox: this.#outbox,
      refusals: this.#refusals,
    }).finally(() => {
      this.#tellUses();
      this.#shell.mappers.close();
    });
    return this.#drained;
  }

  /** Ends at once: connections are cut, timers stopped. */
  async close(): Promise<void> {
    await this.drain({ graceMs: 0, delayMs: 0, accept: "delay" });
    clearInterval(this.#uses);
    this.#deadlines.close();
    this.#longAnswers.stop();
    this.#client.close();
  }

  #denied(address: string): void {
    this.#shell.lane.error("AUTH_006");
    this.#shell.lane.authFailure("forbidden");
    this.#refusals.add("AUTH_006", { address, principal: undefined }, false);
  }

  #tellUses(): void {
    const since = this.#usesToldAt;
    this.#usesToldAt = Date.now();
    const uses = [...this.#policy.usesSince(since), ...openUses(this.inFlight, this.#usesToldAt)];
    if (uses.length > 0) this.#sendUses(uses);
  }

  /** The control thread waits for this to know that a change is in force. */
  #tellRevision(): void {
    const { memory, thread } = this.#shell;
    const { revision } = memory.pulses[thread] as PulseWords;
    Atomics.store(revision, 0, BigInt(this.#snapshot.revision));
  }
}

/** A configuration, and what the files say that it names. */
interface Rules {
  readonly config: Config;
  readonly reaching: Reaching;
  /** Null = clients are spoken to plainly. */
  readonly tls: FrontTls | null;
}

/** @throws GatewayError GW_012 when a file is not what it should be. */
function readRules(config: Config, salt: string): Rules {
  return { config, reaching: readReaching(config), tls: readFrontTls(config, salt) };
}

/** A session is in use as long as something of it is open. `now`: ms since the epoch. */
function openUses(inFlight: InFlight<Exchange>, now: number): Use[] {
  const used = new Set<string>();
  for (const { principal } of inFlight) {
    const id = principal === undefined ? null : sessionIdOf(principal);
    if (id !== null) used.add(id);
  }
  return Array.from(used, (tokenId) => ({ tokenId, at: now }));
}
