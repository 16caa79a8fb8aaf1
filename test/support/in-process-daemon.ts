import { join } from "node:path";
import { onTestFinished } from "vitest";
import { entriesOf } from "../../src/audit/entries.ts";
import { openKeys } from "../../src/auth/keys/key-ring.ts";
import { createVerbs, type Verbs } from "../../src/control/verbs.ts";
import { DRIVERS, RUNTIME_NAMES, STRATEGY_NAMES } from "../../src/registry.ts";
import { openDataFolder } from "../../src/store/data-folder.ts";
import { eventually } from "./eventually.ts";
import { ACTOR } from "./gateway.ts";
import { openTestStore } from "./stores.ts";
import { loadConfig } from "../../src/config/load.ts";
import { type Daemon, startDaemon } from "../../src/daemon/daemon.ts";
import type { GivenSockets } from "../../src/daemon/sockets/given.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A line of the daemon's log. */
export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: object;
}

/** A daemon with real threads in the test's own process. */
export interface InProcessDaemon {
  readonly daemon: Daemon;
  readonly dataDir: string;
  readonly url: string;
  readonly admin: string;
  readonly lines: readonly LogLine[];
  /** Changes its state as another process would. */
  readonly verbs: Verbs;
  /** A token for `role`, as the value of an Authorization field. */
  readonly token: (role?: string) => Promise<{ readonly id: string; readonly authorization: string }>;
  /** Adds a static sandbox and returns when it is in force on all threads. */
  readonly addSandbox: (id: string, ...urls: string[]) => Promise<void>;
  /** Every audit record of a request so far, oldest first. */
  readonly records: () => Record<string, unknown>[];
  /** Whether a line with this message has been logged. */
  readonly logged: (message: string) => boolean;
}

/** `env`: configuration keys as they would stand in the environment; read again at each reload. */
export async function startInProcessDaemon(
  env: Readonly<Record<string, string>> = {},
  sockets?: GivenSockets,
): Promise<InProcessDaemon> {
  const dataDir = env["DATA_DIR"] ?? join(temporaryFolder(), "data");
  const defaults = { DATA_DIR: dataDir, GATEWAY_PORT: "0", ADMIN_PORT: "0", GATEWAY_WORKERS: "2" };
  const readConfig = () => loadConfig({ flags: {}, env: { ...defaults, ...env }, cwd: "/" });
  const { config } = readConfig();
  const lines: LogLine[] = [];
  const at = (level: LogLine["level"]) => (fields: object, message: string) =>
    void lines.push({ level, message, fields });
  const daemon = await startDaemon({
    config,
    sockets,
    readConfig,
    log: { info: at("info"), warn: at("warn"), error: at("error") },
  });
  onTestFinished(() => daemon.close(0));
  const store = openTestStore(join(dataDir, "sandboxgw.db"));
  const folder = openDataFolder(dataDir);
  const keys = await openKeys({ folder, store, config });
  const verbs = createVerbs({
    store,
    audit: store.audit,
    auditHead: { file: folder.auditHead, log: folder.databaseLog },
    keys: async () => keys,
    config,
    catalogue: async () => ({ runtimes: RUNTIME_NAMES, strategies: STRATEGY_NAMES, drivers: DRIVERS }),
    daemon: () => ({}),
  });
  return {
    daemon,
    dataDir,
    url: `http://127.0.0.1:${daemon.port}`,
    admin: `http://127.0.0.1:${daemon.adminPort}`,
    lines,
    verbs,
    async token(role = "executor") {
      const narrowed = { sandboxes: null, operations: null };
      const wanted = { subject: `test-${role}`, role, expiresInMs: 3_600_000, ...narrowed };
      const { token, record } = await verbs.tokens.create(ACTOR, wanted);
      return { id: record.id, authorization: `Bearer ${token}` };
    },
    async addSandbox(id, ...urls) {
      await verbs.sandboxes.create(ACTOR, { id, runtime: "generic", driver: "static", strategy: null, urls });
      const revision = await store.changes.revision();
      await eventually("it is in force", async () => {
        const { json } = (await store.observed.find("in_force")) ?? { json: "{}" };
        return json === JSON.stringify({ revision });
      });
    },
    records: () =>
      entriesOf(store.audit.after(0, 1_000_000))
        .map(({ record }): Record<string, unknown> => JSON.parse(record))
        .filter(({ kind }) => kind !== "admin" && kind !== "start"),
    logged: (message) => lines.some((line) => line.message === message),
  };
}
