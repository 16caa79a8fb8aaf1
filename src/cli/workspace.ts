import { existsSync } from "node:fs";
import { AuditChain } from "../audit/chain.ts";
import { type HeadPlace, keepHead } from "../audit/kept-head.ts";
import { type KeyRing, openKeys } from "../auth/keys/key-ring.ts";
import type { Config } from "../config/schema.ts";
import type { Actor } from "../control/control.ts";
import { createVerbs, type Verbs } from "../control/verbs.ts";
import { findLockHolder, isDaemonRunning } from "../daemon/lock.ts";
import { GatewayError } from "../errors.ts";
import { type DataFolder, dataFolderAt, hasHistory, openDataFolder } from "../store/data-folder.ts";
import { openSqliteStore } from "../store/sqlite/open.ts";
import type { SqliteStore } from "../store/sqlite/sqlite-store.ts";
import type { Access } from "./access.ts";

export interface WorkspaceOptions {
  readonly config: Config;
  readonly actor: Actor;
  /** Make the data folder when there is none. */
  readonly create: boolean;
  /** Open what is left when the database has gone. */
  readonly acceptLoss?: boolean;
}

/** A gateway on this machine: its data folder, opened by a command. The daemon may have it open at the same time. */
export class Workspace implements Access {
  readonly actor: Actor;
  readonly verbs: Verbs;
  readonly isNew: boolean;
  readonly #folder: DataFolder;
  readonly #store: SqliteStore;
  #keys: Promise<KeyRing> | undefined;

  /**
   * @throws GatewayError GW_014 when no gateway was ever set up there and none is to be, GW_015 when its database has gone.
   */
  constructor({ config, actor, create, acceptLoss = false }: WorkspaceOptions) {
    const places = dataFolderAt(config.DATA_DIR);
    const wasThere = hasHistory(places); // asked before the database is looked for
    this.isNew = !existsSync(places.database) && !wasThere;
    if (this.isNew && !create) throw new GatewayError("GW_014", { details: config.DATA_DIR });
    const folder = openDataFolder(config.DATA_DIR);
    const mustExist = wasThere && !acceptLoss;
    const store = openSqliteStore(folder.database, { durability: config.AUDIT_DURABILITY, mustExist });
    this.#folder = folder;
    this.actor = actor;
    this.#store = store;
    this.verbs = createVerbs({
      store,
      audit: store.audit,
      auditHead: headPlace(folder),
      keys: () => (this.#keys ??= openKeys({ folder, store, config })),
      config,
      catalogue: async () => (await import("./catalogue.ts")).CATALOGUE,
      daemon: () => findLockHolder(folder.lock) ?? (this.isServed ? {} : undefined),
    });
  }

  get place(): string {
    return this.#folder.root;
  }

  get isServed(): boolean {
    return isDaemonRunning(this.#folder.lock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keepHead();
    await this.#store.close();
  }

  /** What a command has recorded is kept as the daemon keeps it, unless one runs and does. */
  async #keepHead(): Promise<void> {
    const keys = await this.#keys?.catch(() => undefined);
    if (keys === undefined || this.isServed) return;
    await this.#store.audit.read((table) => {
      try {
        keepHead(headPlace(this.#folder), table, new AuditChain({ table, key: keys.auditKey }));
      } catch {
        // The daemon will not start, and verify says why; this command has done what it was asked.
      }
    });
  }
}

function headPlace({ auditHead, databaseLog }: DataFolder): HeadPlace {
  return { file: auditHead, log: databaseLog };
}
