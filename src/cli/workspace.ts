import { existsSync } from "node:fs";
import { join } from "node:path";
import { type KeyRing, openKeys } from "../auth/keys.ts";
import type { Config } from "../config/schema.ts";
import type { Actor } from "../control/control.ts";
import { createVerbs, type Verbs } from "../control/verbs.ts";
import { findLockHolder, isDaemonRunning } from "../daemon/lock.ts";
import { GatewayError } from "../errors.ts";
import { type DataFolder, openDataFolder } from "../store/data-folder.ts";
import { openSqliteStore } from "../store/sqlite/open.ts";
import type { StateStore } from "../store/store.ts";

export interface WorkspaceOptions {
  readonly config: Config;
  readonly actor: Actor;
  /** Make the data folder when there is none. */
  readonly create: boolean;
}

/** One gateway's state, opened by a command. The daemon may have it open at the same time. */
export class Workspace implements AsyncDisposable {
  readonly config: Config;
  readonly folder: DataFolder;
  /** Who runs the command. */
  readonly actor: Actor;
  readonly verbs: Verbs;
  /** True when the data folder was made just now. */
  readonly isNew: boolean;
  readonly #store: StateStore;

  /** @throws GatewayError GW_014 when no gateway was ever set up there and none is to be. */
  constructor({ config, actor, create }: WorkspaceOptions) {
    this.isNew = !existsSync(join(config.DATA_DIR, "sandboxgw.db"));
    if (this.isNew && !create) throw new GatewayError("GW_014", { details: config.DATA_DIR });
    const folder = openDataFolder(config.DATA_DIR);
    const store = openSqliteStore(folder.database, { durability: config.AUDIT_DURABILITY });
    let keys: Promise<KeyRing> | undefined;
    this.config = config;
    this.folder = folder;
    this.actor = actor;
    this.#store = store;
    this.verbs = createVerbs({
      store,
      audit: store.audit,
      keys: () => (keys ??= openKeys({ folder, store, config })),
      config,
      catalogue: async () => (await import("./catalogue.ts")).CATALOGUE,
      daemon: () => findLockHolder(folder.lock) ?? (this.isInUse ? {} : undefined),
    });
  }

  /** Whether a daemon runs on the data folder. */
  get isInUse(): boolean {
    return isDaemonRunning(this.folder.lock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store.close();
  }
}
