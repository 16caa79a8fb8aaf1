import { randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { KeyDocuments } from "../auth/oidc/key-documents.ts";
import { openKeys, threadKeys } from "../auth/keys/key-ring.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { forgetUsed } from "./parts/limits.ts";
import { lastRefusedExpiry } from "../domain/token.ts";
import { Circuits } from "../proxy/health/circuits.ts";
import { SharedBoard } from "../proxy/health/board.ts";
import { hasHistory, openDataFolder } from "../store/data-folder.ts";
import { openSqliteStore } from "../store/sqlite/open.ts";
import { VERSION } from "../version.ts";
import { AddressRule } from "../auth/addresses/network-list.ts";
import { AdminListener } from "./admin-listener.ts";
import { CertificateWatch } from "./front/certificate-watch.ts";
import { exposures, startRedirect } from "./front/front.ts";
import { Door } from "./handover/door.ts";
import { HandOver } from "./handover/hand-over.ts";
import { Ownership } from "./handover/ownership.ts";
import type { Predecessor } from "./handover/predecessor.ts";
import { ownRunFolder } from "./handover/run-folder.ts";
import { InForce, lowestRevision } from "./in-force.ts";
import { circuitLimits } from "./limits.ts";
import { CircuitLog, closeCircuit, restoreCircuits } from "./parts/circuits.ts";
import { startFeed } from "./state/feed.ts";
import { startFleet } from "./parts/fleet.ts";
import { Health } from "./parts/health.ts";
import { listenerUrl } from "./listener-url.ts";
import { DaemonLockPart } from "./lock.ts";
import { Observer } from "./observer.ts";
import { startAuditPath } from "./parts/audit-path.ts";
import type { Log } from "./parts/log.ts";
import { daemonMetrics } from "./telemetry/metrics.ts";
import { type Part, Parts } from "./parts/parts.ts";
import { Picture } from "./state/picture.ts";
import { noteUses } from "./parts/uses.ts";
import { Retirement } from "./parts/retirement.ts";
import { Lifecycle } from "./telemetry/lifecycle.ts";
import { Vitals } from "./telemetry/vitals.ts";
import { SessionDesk } from "./parts/sessions.ts";
import { Starting } from "./parts/starting.ts";
import { Reloading } from "./parts/reloading.ts";
import type { GivenSockets } from "./sockets/given.ts";
import { SharedSockets } from "./sockets/shared.ts";
import { requireFreePort, requireFreePorts } from "./require-free-port.ts";
import { createSharedMemory, FLAG } from "./shared-memory/layout.ts";
import { Places } from "./shared-memory/places.ts";
import type { DrainOrder } from "./threads/drain.ts";
import { frontFiles } from "./threads/front-tls.ts";
import { DataThreads } from "./threads/data-threads.ts";

export interface Daemon {
  /** The port of the data listeners. */
  readonly port: number;
  readonly adminPort: number;
  readonly workers: number;
  /**
   * Readiness off, finish what is in flight for up to `graceMs`, leave. Default: SHUTDOWN_GRACE, or HANDOVER_MAX_AGE when
   * another process has taken over. May be asked for again, to leave earlier.
   */
  close(graceMs?: number): Promise<void>;
  /** Resolves when another process has taken over: what is left is to `close`. */
  readonly replaced: Promise<void>;
  /** Reads the configuration anew and brings into force what can follow. What came of it is logged and written back. */
  reload(): Promise<void>;
  /** Ends one data thread at once; another takes its place. */
  replaceThread(thread: number): Promise<void>;
}

/**
 * How often expired revocations are forgotten, and how long they are kept beyond their time, should the clock be set back. Then
 * the threads are also asked whether they have what they should.
 */
const FORGET_MS = 3_600_000;
/** How often the places of instances that have gone are taken back. */
const TIDY_MS = 500;
/** How often the log is told of circuits and health: what flaps says no more than a line each time. */
const LOG_MS = 1_000;

interface DaemonOptions {
  readonly config: Config;
  readonly log: Log;
  /** Sockets that listen already; undefined: the configuration says where to. */
  readonly sockets?: GivenSockets | undefined;
  /** What a process that takes over from this one is started with; see HandOver. */
  readonly takeoverArgs?: readonly string[];
  /** The process that this one replaces, when it is ready to go; see HandOver. */
  readonly predecessor?: Predecessor | undefined;
  /** Reads the configuration anew. @throws GatewayError GW_012 */
  readonly readConfig: () => LoadedConfig;
}

/**
 * The main thread of `serve`: opens the state, starts everything, and connects it. Wiring only.
 * @throws GatewayError GW_004 (data folder in use), GW_005/6/8 (state), GW_015 (audit records missing), GW_009 (keys), GW_010 (port), GW_018 (sockets).
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const parts = new Parts({
    onError: (part, error) => options.log.error({ part, error: String(error) }, "a part of the daemon did not stop"),
  });
  try {
    return await startParts(options, parts);
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

/** In this order; in the reverse one they stop, so that whatever the calls in flight need is there until they have ended. */
async function startParts(options: DaemonOptions, parts: Parts): Promise<Daemon> {
  const { config, log, readConfig, sockets, predecessor, takeoverArgs = [] } = options;
  const startedAt = Date.now();
  // One that cannot listen anyway leaves no new folder behind.
  if (sockets === undefined && !existsSync(config.DATA_DIR)) await requireFreePorts(config);
  const folder = openDataFolder(config.DATA_DIR);
  const ownership = new Ownership();
  await parts.start("lock", ownership.part(new DaemonLockPart(folder.lock)));
  const store = await parts.open(
    "store",
    () => openSqliteStore(folder.database, { durability: config.AUDIT_DURABILITY, mustExist: hasHistory(folder) }),
    (opened) => opened.close(),
  );
  const keys = await openKeys({ folder, store, config });
  const memory = createSharedMemory(workerCount(config));
  const board = new SharedBoard({ words: memory.instances, circuits: circuitLimits(config) });

  const writer = await startAuditPath(parts, {
    audit: store.audit,
    folder,
    keys,
    config,
    memory,
    log,
    owned: (part) => ownership.part(part),
  });

  const wholeSnapshot = () => store.snapshot(lastRefusedExpiry(Date.now(), config.TOKEN_CLOCK_SKEW));
  const circuits = new Circuits({ words: memory.instances.circuits, limits: circuitLimits(config) });
  const places = new Places({
    words: memory.instances,
    circuits,
    onFull: ({ id }) => log.warn({ instance: id }, "too many instances: this one is not counted"),
  });
  const picture = new Picture({ places, initial: await wholeSnapshot() });

  await restoreCircuits(store, board, picture.snapshot);

  const vitals = new Vitals({
    memory,
    board,
    failMode: config.AUDIT_FAIL_MODE,
    snapshot: () => picture.snapshot,
    threads: () => threads,
  });
  const [given] = sockets?.clients ?? [];
  const shared =
    given && new SharedSockets({ fds: sockets?.clients.map(({ fd }) => fd) ?? [], threads: memory.threads });
  const host = given?.host ?? config.GATEWAY_HOST;
  const adminHost = sockets?.admin?.host ?? config.ADMIN_HOST;
  const scheme = config.TLS_CERT_FILE === "" ? "http" : "https";
  const ports = { data: 0, admin: 0 };
  const handOver = new HandOver({
    ownership,
    sockets: () => ({ clients: shared?.fds ?? threads.fds, admin: admin.fd, kept: sockets?.kept ?? false }),
    revision: () => threads.revision,
    args: takeoverArgs,
    log,
  });
  const door = new Door({
    file: join(folder.run, "upgrade.sock"),
    begin: (program) => handOver.begin(program),
    onError: (error) => log.warn({ error: String(error) }, "nobody can ask for a hand-over"),
  });
  const observer = new Observer({
    store,
    onError: (error) => log.warn({ error: String(error) }, "observed state could not be written"),
    look: () => ({
      pid: process.pid,
      version: VERSION,
      url: listenerUrl(host, ports.data, scheme),
      admin_url: listenerUrl(adminHost, ports.admin),
      host,
      port: ports.data,
      admin_host: adminHost,
      admin_port: ports.admin,
      started_at_ms: startedAt,
      upgrade_socket: door.file,
      ...vitals.observed,
      ...health.observed,
    }),
  });

  const starting = new Starting();
  const runDirectory = await parts.open(
    "run folder",
    () => (predecessor === undefined ? folder.run : ownRunFolder(folder.run)),
    (own) => {
      if (own !== folder.run) rmSync(own, { recursive: true, force: true });
    },
  );
  const fleet = await startFleet(parts, {
    config,
    runDirectory,
    cacheDirectory: folder.cache,
    log,
    onState(instance, state) {
      starting.told(instance.id, state);
      board.set(instance, state);
      vitals.started(instance);
      observer.look();
    },
  });
  fleet.replace(picture.data.sandboxes);

  const salt = randomBytes(16).toString("hex");
  const health = await parts.open(
    "health checks",
    () => new Health({ config, board, log, socketFolder: folder.run }),
    ({ loop }) => loop.stop(),
  );
  health.loop.replace(picture.data.sandboxes);
  await health.recall(store);

  const providers = new KeyDocuments({
    config,
    onTurn: (issuer, trouble) =>
      trouble === null
        ? log.info({ issuer }, "identity provider answers")
        : log.warn({ issuer, trouble }, "identity provider gives no keys: those that are known go on"),
  });
  const threads = new DataThreads({
    memory,
    thread: { config, socketFolder: runDirectory, keys: threadKeys(keys), salt },
    sockets: shared,
    snapshot: () => picture.data,
    hangMs: config.THREAD_HANG_TIMEOUT,
    onAudit: (batch, acknowledge) => writer.accept(batch, acknowledge),
    onErrand: async (errand) =>
      errand.kind === "read-keys" ? { keys: await providers.readKeys(errand.issuer) } : sessions.run(errand),
    onUses: noteUses({ table: store.uses, log }),
    onLog: (level, message, fields) => log[level](fields, message),
    onChange: () => inForce.look(),
  });
  const lifecycle = new Lifecycle({ writer });
  const reloading = new Reloading({
    running: config,
    read: readConfig,
    async configure(next) {
      await threads.configure(next);
      health.configure(next, picture.snapshot);
      sessions.configure(next);
      providers.configure(next);
    },
    store,
    onOutcome: (outcome) => lifecycle.record("gateway.reload", outcome),
    log,
  });
  const served = (): number | undefined => lowestRevision(threads.revision, predecessor?.revision);
  const sessions = new SessionDesk({ store, keys, limits: config, announce: () => feed.wake(), served, log });
  if (config.TLS_CERT_FILE !== "") {
    const certificates = new CertificateWatch({
      files: () => frontFiles(reloading.running),
      onChange: () => void reloading.renew("the TLS certificate has changed"),
    });
    await parts.start("certificate watch", certificates);
  }
  const inForce = new InForce({
    store,
    served,
    onError: (error) => log.warn({ error: String(error) }, "the revision in force could not be written"),
  });
  predecessor?.onRevision(() => inForce.look());
  await parts.open(
    "revision in force",
    () => inForce.handedOut(picture.snapshot.revision),
    () => inForce.stop(),
  );

  const told: Part<void> = {
    start: () => inForce.takeBack(),
    stop: () => inForce.giveUp((revision) => handOver.serves(revision)),
  };
  await parts.start("revision told", ownership.part(told));

  const feed = await startFeed(parts, {
    store,
    wholeSnapshot,
    picture,
    threads,
    keepers: [fleet, health.loop],
    onChange(change) {
      sessions.notice(change);
      if (change.kind === "limit.reset") forgetUsed(change, { config: reloading.running, memory, salt });
      if (change.kind !== "circuit.closed") return;
      closeCircuit(board, picture.snapshot, change);
      observer.look();
    },
    inForce,
    log,
  });
  parts.every(FORGET_MS, () => {
    const expiredBy = lastRefusedExpiry(Date.now() - FORGET_MS, config.TOKEN_CLOCK_SKEW);
    threads.broadcast({ kind: "forget", expiredBy, left: picture.forgetExpired(expiredBy) });
  });
  const onRetired = (): void => void feed.wake();
  const retirement = new Retirement({ store, keys, snapshot: () => picture.snapshot, onRetired, log });
  const circuitLog = new CircuitLog({ log });
  circuitLog.look(vitals.circuits); // those that were open before the restart
  parts.every(LOG_MS, () => {
    circuits.forgive();
    circuitLog.look(vitals.circuits);
    health.look();
    retirement.look();
    sessions.look();
  });
  parts.every(TIDY_MS, () => {
    if (threads.revision !== undefined) places.reclaim(threads.revision);
  });

  const metrics = daemonMetrics({ memory, board, vitals, health, writer, salt, snapshot: () => picture.snapshot });
  const admin = new AdminListener({
    notReady: () => vitals.notReady,
    allows: (address) => new AddressRule({ allow: reloading.running.ADMIN_IP_ALLOW_LIST, deny: [] }).allows(address),
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.metrics() }),
  });
  const openAdmin = async (): Promise<void> => {
    ports.admin = await admin.listen(sockets?.admin ?? { host: config.ADMIN_HOST, port: config.ADMIN_PORT });
  };
  await parts.open(
    "admin listener",
    // Where another process is ready, this one must not say that it is not.
    () => (predecessor === undefined ? openAdmin() : undefined),
    () => admin.close(),
  );

  let order: DrainOrder = {
    graceMs: config.SHUTDOWN_GRACE,
    delayMs: config.SHUTDOWN_DELAY,
    accept: sockets?.kept === true ? "longest" : "delay",
  };
  if (given !== undefined) await starting.none();
  else await requireFreePort(config.GATEWAY_HOST, config.GATEWAY_PORT);
  ports.data = await parts.start(
    "data threads",
    {
      start: () => threads.start(config.GATEWAY_PORT),
      stop: () => threads.drain(order),
    },
    { limitMs: Number.POSITIVE_INFINITY },
  );
  if (predecessor !== undefined) await openAdmin();
  const redirectPort = await startRedirect(parts, config, () => ports.data);
  await parts.start("observer", ownership.part(observer));
  await parts.start("hand-over door", ownership.part(door));

  const { threads: workers } = memory;
  const urls = { url: listenerUrl(host, ports.data, scheme), admin: listenerUrl(adminHost, ports.admin) };
  lifecycle.record("gateway.start", { ...urls, took_over: predecessor !== undefined });
  log.info({ ...urls, workers, data_dir: folder.root }, "listening");
  for (const warning of exposures(config, redirectPort)) log.warn({}, warning);
  if (!config.AUTH_ENABLED)
    log.warn({}, "AUTHENTICATION IS OFF: everybody who reaches this port can run code in every sandbox");

  return {
    port: ports.data,
    adminPort: ports.admin,
    workers,
    replaced: handOver.done,
    async close(grace) {
      await handOver.close();
      const isReplaced = !ownership.isHeld;
      const isAgain = Atomics.exchange(memory.flags, FLAG.draining, 1) === 1;
      const { SHUTDOWN_GRACE: ends, HANDOVER_MAX_AGE: livesOn, KEEP_ALIVE_TIMEOUT: idles } = config;
      order = isReplaced
        ? { graceMs: grace ?? livesOn, delayMs: idles, accept: "now" } // idle connections wait for their last answer too
        : { ...order, graceMs: grace ?? ends };
      if (!isAgain) lifecycle.record("gateway.stop", { replaced: isReplaced });
      if (isAgain) void threads.drain(order);
      if (isReplaced) admin.leave();
      else if (sockets?.kept === false) shared?.close();
      await parts.stop();
      predecessor?.leave();
    },
    reload: () => reloading.reload(),
    replaceThread: (thread) => threads.replace(thread),
  };
}

/** One data thread per core, or as many as asked for; one where the system cannot share a port between threads. */
function workerCount(config: Config): number {
  if (process.platform !== "linux") return 1;
  return config.GATEWAY_WORKERS === "auto" ? os.availableParallelism() : config.GATEWAY_WORKERS;
}
