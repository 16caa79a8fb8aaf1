import { CIRCUITS } from "./circuits.ts";
import { Circuits } from "../../src/proxy/health/circuits.ts";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { AuditChain } from "../../src/audit/chain.ts";
import { entriesOf } from "../../src/audit/entries.ts";
import { AuditWriter } from "../../src/audit/writer.ts";
import { type KeyRing, openKeys } from "../../src/auth/keys/key-ring.ts";
import { KeyDocuments } from "../../src/auth/oidc/key-documents.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import type { Actor } from "../../src/control/control.ts";
import { createVerbs, type Verbs } from "../../src/control/verbs.ts";
import { SessionDesk } from "../../src/daemon/parts/sessions.ts";
import { Errands } from "../../src/daemon/threads/errands.ts";
import { Gateway } from "../../src/daemon/threads/gateway.ts";
import { createSharedMemory, type SharedMemory } from "../../src/daemon/shared-memory/layout.ts";
import { Places } from "../../src/daemon/shared-memory/places.ts";
import { lastRefusedExpiry } from "../../src/domain/token.ts";
import type { GatewayError } from "../../src/errors.ts";
import { DRIVERS, RUNTIME_NAMES, STRATEGY_NAMES } from "../../src/registry.ts";
import { ChangeFeed } from "../../src/store/change-feed.ts";
import { openDataFolder } from "../../src/store/data-folder.ts";
import type { AuditLog } from "../../src/store/audit-log.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import type { SqliteStore } from "../../src/store/sqlite/sqlite-store.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A gateway with everything real but the threads: data path and control share the test's own thread. */
export interface TestGateway {
  readonly port: number;
  readonly url: string;
  readonly store: SqliteStore;
  readonly verbs: Verbs;
  readonly feed: ChangeFeed;
  readonly memory: SharedMemory;
  readonly config: Config;
  readonly keys: KeyRing;
  readonly gateway: Gateway;
  readonly internalErrors: GatewayError[];
  /** A token for `role`, as the value of an Authorization field. */
  authorization(role?: string, narrowed?: { sandboxes?: string[]; operations?: string[] }): Promise<string>;
  /** Adds a static sandbox; resolves when it is in force. */
  addSandbox(id: string, ...urls: string[]): Promise<void>;
  /** Every audit record of a request's end so far, oldest first. */
  records(): Record<string, unknown>[];
  /** Every record of the chain so far, whatever it is about. */
  allRecords(): Record<string, unknown>[];
}

export interface TestGatewayOptions {
  /** Configuration keys as they would stand in the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Stands between the audit writer and the log: to make commits fail. */
  readonly transaction?: (log: AuditLog) => AuditLog["transaction"];
}

/** Who changes the state in tests. */
export const ACTOR: Actor = { name: "test", holding: null };

export async function startTestGateway({ env = {}, transaction }: TestGatewayOptions = {}): Promise<TestGateway> {
  const folder = openDataFolder(join(temporaryFolder(), "data"));
  const defaults = { RATE_LIMIT_ENABLED: "false", GATEWAY_PORT: "0", DATA_DIR: folder.root };
  const { config } = loadConfig({ flags: {}, env: { ...defaults, ...env }, cwd: folder.root });
  const store = openSqliteStore(folder.database);
  const keys = await openKeys({ folder, store, config });
  const memory = createSharedMemory(1);
  const internalErrors: GatewayError[] = [];
  const writer = new AuditWriter({
    log: transaction === undefined ? store.audit : { transaction: transaction(store.audit) },
    chain: new AuditChain({ table: store.audit, key: keys.auditKey }),
    onState: (working) => void Atomics.store(memory.flags, 1, working ? 0 : 1),
  });
  const places = new Places({
    words: memory.instances,
    circuits: new Circuits({ words: memory.instances.circuits, limits: CIRCUITS }),
    onFull: () => undefined,
  });
  const wholeSnapshot = () => store.snapshot(lastRefusedExpiry(Date.now(), config.TOKEN_CLOCK_SKEW));
  const snapshot = places.replace(await wholeSnapshot());
  const desk = new SessionDesk({
    store,
    keys,
    limits: config,
    announce: () => feed.wake(),
    served: () => undefined,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const providers = new KeyDocuments({ config, onTurn: () => undefined });
  const sessions: Errands = new Errands({
    send: (id, errand) =>
      void (
        errand.kind === "read-keys"
          ? providers.readKeys(errand.issuer).then((read) => ({ keys: read }))
          : desk.run(errand)
      ).then((outcome) => sessions.done(id, outcome)),
  });
  const gateway: Gateway = new Gateway({
    config,
    memory,
    thread: 0,
    snapshot,
    keys,
    salt: randomBytes(16).toString("hex"),
    socketFolder: folder.run,
    sessions,
    keySource: sessions,
    sendUses: (uses) => void store.uses.note(uses),
    sendAudit: (batch) => writer.accept(batch, (last, written) => gateway.acknowledge(last, written)),
    onInternalError: (error) => void internalErrors.push(error),
  });
  const feed = new ChangeFeed({
    store,
    snapshot: wholeSnapshot,
    revision: snapshot.revision,
    onChanges: (changes) => gateway.apply(changes.map((revised) => places.apply(revised))),
    onResync: (whole) => gateway.replace(places.replace(whole)),
    onError: (error) => {
      throw error;
    },
  });
  const verbs = createVerbs({
    store,
    audit: store.audit,
    auditHead: { file: folder.auditHead, log: folder.databaseLog },
    keys: async () => keys,
    config,
    catalogue: async () => ({ runtimes: RUNTIME_NAMES, strategies: STRATEGY_NAMES, drivers: DRIVERS }),
    daemon: () => ({}),
  });
  await feed.start();
  const port = await gateway.listen({ port: 0, reusePort: false });
  onTestFinished(async () => {
    await feed.stop();
    await gateway.close();
    await writer.close();
    await store.close();
  });
  const allRecords = (): Record<string, unknown>[] =>
    entriesOf(store.audit.after(0, 1_000_000)).map(({ record }): Record<string, unknown> => JSON.parse(record));
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    store,
    verbs,
    feed,
    memory,
    config,
    keys,
    gateway,
    internalErrors,
    async authorization(role = "executor", { sandboxes, operations } = {}) {
      const { token } = await verbs.tokens.create(ACTOR, {
        subject: `test-${role}`,
        role,
        expiresInMs: 3_600_000,
        sandboxes: sandboxes ?? null,
        operations: operations ?? null,
      });
      return `Bearer ${token}`;
    },
    async addSandbox(id, ...urls) {
      await verbs.sandboxes.create(ACTOR, { id, runtime: "generic", driver: "static", strategy: null, urls });
      await feed.wake();
    },
    records: () => allRecords().filter(({ kind }) => kind !== "admin" && kind !== "start"),
    allRecords,
  };
}
