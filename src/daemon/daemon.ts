import { randomBytes } from "node:crypto";
import os from "node:os";
import { AuditChain } from "../audit/chain.ts";
import { HeadKeeper, requireNoLoss } from "../audit/kept-head.ts";
import { Retention } from "../audit/retention.ts";
import { AuditWriter } from "../audit/writer.ts";
import { openKeys } from "../auth/keys.ts";
import type { Config } from "../config/schema.ts";
import type { Revised } from "../domain/change.ts";
import type { Instance } from "../domain/sandbox.ts";
import { applyChange, type Snapshot, snapshotData, snapshotFrom } from "../domain/snapshot/snapshot.ts";
import { lastRefusedExpiry } from "../domain/token.ts";
import { MetricTotals } from "../observe/metric-slots.ts";
import { createMetrics } from "../observe/metrics.ts";
import { SharedBoard } from "../proxy/health/board.ts";
import { createDrivers } from "../registry.ts";
import { ChangeFeed } from "../store/change-feed.ts";
import { hasHistory, openDataFolder } from "../store/data-folder.ts";
import { openSqliteStore } from "../store/sqlite/open.ts";
import { VERSION } from "../version.ts";
import { AdminListener } from "./admin-listener.ts";
import { DataThreads } from "./threads/data-threads.ts";
import { FileWatch } from "./file-watch.ts";
import { Fleet } from "../lifecycle/fleet.ts";
import { listenerUrl } from "./listener-url.ts";
import { acquireDaemonLock } from "./lock.ts";
import { InForce } from "./in-force.ts";
import { Observer } from "./observer.ts";
import { Places } from "./shared-memory/places.ts";
import { requireFreePort } from "./require-free-port.ts";
import { AUDIT_DOWN, createSharedMemory, FLAG, setAuditDown } from "./shared-memory/layout.ts";

/** What the daemon needs of a logger. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Daemon {
  /** The port of the data listeners. */
  readonly port: number;
  readonly adminPort: number;
  readonly workers: number;
  /** Readiness off, stop accepting, finish what is in flight for up to `graceMs` (default SHUTDOWN_GRACE), leave. */
  close(graceMs?: number): Promise<void>;
  /** Ends one data thread at once; another takes its place. */
  replaceThread(thread: number): Promise<void>;
}

/** How often the places of instances that have gone are taken back. */
const TIDY_MS = 500;

/** How often a whole snapshot is handed out, so that expired revocations are forgotten. */
const REFRESH_MS = 3_600_000;

/**
 * The main thread of `serve`: opens the state, starts everything, and connects it. Wiring only.
 * @throws GatewayError GW_004 (data folder in use), GW_005/6/8 (state), GW_015 (audit records missing), GW_009 (keys), GW_010 (port).
 */
export async function startDaemon({ config, log }: { config: Config; log: Log }): Promise<Daemon> {
  const startedAt = Date.now();
  const folder = openDataFolder(config.DATA_DIR);
  const closing: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const step of closing.splice(0).toReversed()) await step();
  };
  try {
    const lock = acquireDaemonLock(folder.lock);
    closing.push(() => lock.release());
    const durability = config.AUDIT_DURABILITY;
    const store = openSqliteStore(folder.database, { durability, mustExist: hasHistory(folder) });
    closing.push(() => store.close());
    const keys = await openKeys({ folder, store, config });
    const workers = workerCount(config);
    const memory = createSharedMemory(workers);
    const board = new SharedBoard({ words: memory.instances });
    const places = new Places({
      words: memory.instances,
      onFull: ({ id }) => log.warn({ instance: id }, "too many instances: this one is not counted"),
    });
    const wholeSnapshot = () => store.snapshot(lastRefusedExpiry(Date.now(), config.TOKEN_CLOCK_SKEW));
    const initial = places.replace(await wholeSnapshot());
    let snapshot: Snapshot = snapshotFrom(initial);

    const watch = new FileWatch({
      file: folder.database,
      onGone() {
        setAuditDown(memory, AUDIT_DOWN.file, true);
        log.error({ file: folder.database }, "the database was moved or deleted: calls are refused until a restart");
      },
    });
    const chain = new AuditChain({ table: store.audit, key: keys.auditKey });
    const kept = requireNoLoss(folder.auditHead, store.audit, chain);
    if (kept === 0 && store.audit.head() !== undefined)
      log.warn(
        { file: folder.auditHead },
        "no head of the audit chain was kept: nothing tells whether its end is missing",
      );
    const keeper = new HeadKeeper({
      file: folder.auditHead,
      log: `${folder.database}-wal`,
      head: () => store.audit.read((table) => table.head()),
      kept,
      onError: (error) => log.error({ error: String(error) }, "the head of the audit chain cannot be kept"),
    });
    keeper.start();
    closing.push(() => keeper.stop());
    if (config.AUDIT_RETENTION !== "off") {
      const retention = new Retention({
        log: store.audit,
        chain,
        keepMs: config.AUDIT_RETENTION,
        onError: (error) => log.error({ error: String(error) }, "old audit records cannot be dropped"),
        now: Date.now,
      });
      retention.start();
      closing.push(() => retention.stop());
    }
    const writer = new AuditWriter({
      log: store.audit,
      chain,
      requireWritable: () => watch.requireSame(),
      onState(working, cause) {
        setAuditDown(memory, AUDIT_DOWN.writer, !working);
        if (working) log.info({}, "audit records can be written again");
        else log.error({ error: String(cause) }, "audit records cannot be written: calls are refused");
      },
      onDropped: () => log.error({}, "too many audit records wait to be written: further ones are dropped"),
    });
    closing.push(async () => {
      const lost = await writer.close();
      if (lost > 0) log.error({ records: lost }, "audit records could not be written and are lost");
    });
    watch.start();
    closing.push(() => watch.stop());

    // What its drivers see before it is there is in its first look.
    let observer: Observer | undefined;
    const started = new Map<string, Instance>();
    const fleet = new Fleet({
      drivers: createDrivers({
        config,
        runDirectory: folder.run,
        cacheDirectory: folder.cache,
        report(instance, state, reason) {
          board.set(instance, state);
          started.set(instance.id, instance);
          log.info({ sandbox: instance.sandboxId, instance: instance.id, state, reason }, "instance");
          observer?.look();
        },
      }),
      onError: (sandbox, error) => log.error({ sandbox, error: String(error) }, "sandbox driver failed"),
    });
    closing.push(() => fleet.close());
    fleet.replace(initial.sandboxes);

    const threads = new DataThreads({
      memory,
      thread: { config, socketFolder: folder.run, signing: keys.signing, salt: randomBytes(16).toString("hex") },
      snapshot: () => snapshotData(snapshot),
      hangMs: config.THREAD_HANG_TIMEOUT,
      onAudit: (batch, acknowledge) => writer.accept(batch, acknowledge),
      onLog: (level, message, fields) => log[level](fields, message),
      onChange: () => inForce.look(),
    });
    const inForce = new InForce({
      store,
      served: () => threads.revision,
      onError: (error) => log.warn({ error: String(error) }, "the revision in force could not be written"),
    });
    inForce.handedOut(snapshot.revision);
    const tidy = setInterval(() => {
      if (threads.revision !== undefined) places.reclaim(threads.revision);
    }, TIDY_MS);
    closing.push(() => clearInterval(tidy));
    closing.push(() => inForce.stop());
    await requireFreePort(config.GATEWAY_HOST, config.GATEWAY_PORT);
    let graceMs = config.SHUTDOWN_GRACE;
    closing.push(() => threads.drain(graceMs));
    const port = await threads.start(config.GATEWAY_PORT);

    const feed = new ChangeFeed({
      store,
      snapshot: wholeSnapshot,
      revision: snapshot.revision,
      onChanges(committed: readonly Revised[]) {
        const changes = committed.map((revised) => places.apply(revised));
        threads.broadcast({ kind: "changes", changes });
        for (const revised of changes) {
          snapshot = applyChange(snapshot, revised);
          fleet.apply(revised.change);
        }
        inForce.handedOut(snapshot.revision);
      },
      onResync(committed) {
        const whole = places.replace(committed);
        threads.broadcast({ kind: "snapshot", snapshot: whole });
        snapshot = snapshotFrom(whole);
        fleet.replace(whole.sandboxes);
        inForce.handedOut(snapshot.revision);
      },
      onError: (error) => log.error({ error: String(error) }, "the change feed cannot read the store"),
    });
    closing.push(() => feed.stop());
    await feed.start();
    const refresh = setInterval(() => void feed.resync(), REFRESH_MS);
    closing.push(() => clearInterval(refresh));

    const gate = () => ({ taken: Atomics.load(memory.slots.shared, 0), pending: sum(memory.slots.waiting) });
    const connections = () => memory.connections.reduce((open, { total }) => open + Atomics.load(total, 0), 0);
    const auditWorking = () => Atomics.load(memory.flags, FLAG.auditDown) === 0;
    const metrics = createMetrics({
      totals: new MetricTotals(memory.metrics),
      sandboxes: () => snapshot.sandboxes.values(),
      instance: (instance) => ({ state: board.state(instance), inFlight: board.inFlight(instance) }),
      gate,
      connections,
      auditWorking,
      auditDropped: () => writer.dropped,
      version: VERSION,
    });
    const admin = new AdminListener({
      notReady() {
        if (Atomics.load(memory.flags, FLAG.draining) === 1) return "shutting down";
        if (threads.serving === 0) return `no data thread serves: ${threads.trouble || "starting"}`;
        return auditWorking() ? undefined : "audit records cannot be written";
      },
      metrics: async () => ({ contentType: metrics.contentType, text: await metrics.metrics() }),
    });
    const adminPort = await admin.listen(config.ADMIN_HOST, config.ADMIN_PORT);

    observer = new Observer({
      store,
      onError: (error) => log.warn({ error: String(error) }, "observed state could not be written"),
      look: () => ({
        pid: process.pid,
        version: VERSION,
        url: listenerUrl(config.GATEWAY_HOST, port),
        admin_url: listenerUrl(config.ADMIN_HOST, adminPort),
        host: config.GATEWAY_HOST,
        port,
        admin_host: config.ADMIN_HOST,
        admin_port: adminPort,
        workers,
        serving: threads.serving,
        started_at_ms: startedAt,
        in_flight: gate().taken,
        waiting: gate().pending,
        connections: connections(),
        sandboxes: snapshot.sandboxes.size,
        instances: instanceStates(snapshot, board, started),
      }),
    });
    await observer.start();
    closing.push(() => observer?.stop());

    const url = listenerUrl(config.GATEWAY_HOST, port);
    log.info({ url, admin: listenerUrl(config.ADMIN_HOST, adminPort), workers, data_dir: folder.root }, "listening");
    if (!config.AUTH_ENABLED)
      log.warn({}, "AUTHENTICATION IS OFF: everybody who reaches this port can run code in every sandbox");

    return {
      port,
      adminPort,
      workers,
      async close(grace = config.SHUTDOWN_GRACE) {
        graceMs = grace;
        Atomics.store(memory.flags, FLAG.draining, 1);
        await closeAll();
        await admin.close();
      },
      replaceThread: (thread) => threads.replace(thread),
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** One data thread per core, or as many as asked for; one where the system cannot share a port between threads. */
function workerCount(config: Config): number {
  if (process.platform !== "linux") return 1;
  return config.GATEWAY_WORKERS === "auto" ? os.availableParallelism() : config.GATEWAY_WORKERS;
}

/** How many instances' states are written back: enough for a person to read. */
const MAX_STATES = 1_000;

/**
 * What is known of instances, by id: of all that the daemon started, for a command may be waiting for one, and of the first
 * of the others. Those that are gone leave `started`.
 */
function instanceStates(
  snapshot: Snapshot,
  board: SharedBoard,
  started: Map<string, Instance>,
): Record<string, string> {
  const states: Record<string, string> = {};
  for (const [id, instance] of started) {
    const current = snapshot.sandboxes.get(instance.sandboxId)?.instances.find((other) => other.id === id);
    if (current === undefined) started.delete(id);
    else states[id] = board.state(current);
  }
  let left = MAX_STATES;
  for (const { instances } of snapshot.sandboxes.values()) {
    for (const instance of instances) {
      states[instance.id] = board.state(instance);
      if (--left === 0) return states;
    }
  }
  return states;
}

function sum(words: Int32Array): number {
  return words.reduce((total, word) => total + word, 0);
}
