import { existsSync } from "node:fs";
import { join } from "node:path";
import { type KeyRing, openKeys } from "../auth/keys.ts";
import type { Config } from "../config/schema.ts";
import { type Catalogue, Control } from "../control/control.ts";
import { isDaemonRunning } from "../daemon/lock.ts";
import { GatewayError } from "../errors.ts";
import { type DataFolder, openDataFolder } from "../store/data-folder.ts";
import { openSqliteStore } from "../store/sqlite/open.ts";
import type { Store } from "../store/store.ts";

export interface WorkspaceOptions {
  readonly config: Config;
  readonly actor: string;
  /** Make the data folder when there is none. */
  readonly create: boolean;
}

const NO_CATALOGUE: Catalogue = { runtimes: [], strategies: [], drivers: {} };

/** One gateway's state, opened by a command. The daemon may have it open at the same time. */
export class Workspace implements Disposable {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly store: Store;
  /** True when the data folder was made just now. */
  readonly isNew: boolean;
  readonly #actor: string;
  #keys: KeyRing | undefined;

  /** @throws GatewayError GW_014 when no gateway was ever set up there and none is to be. */
  constructor({ config, actor, create }: WorkspaceOptions) {
    this.isNew = !existsSync(join(config.DATA_DIR, "sandboxgw.db"));
    if (this.isNew && !create) throw new GatewayError("GW_014", { details: config.DATA_DIR });
    this.config = config;
    this.#actor = actor;
    this.folder = openDataFolder(config.DATA_DIR);
    this.store = openSqliteStore(this.folder.database, { durability: config.AUDIT_DURABILITY });
  }

  /** Whether a daemon runs on the data folder. */
  get isInUse(): boolean {
    return isDaemonRunning(this.folder.lock);
  }

  /** Opened when first asked for: reading needs none. */
  get keys(): KeyRing {
    this.#keys ??= openKeys({ folder: this.folder, store: this.store, config: this.config });
    return this.#keys;
  }

  /** The verbs that add need the catalogue. The others do not, and loading it takes longer than they do. */
  control(catalogue: Catalogue = NO_CATALOGUE): Control {
    const { store, keys, config } = this;
    return new Control({ store, keys, config, actor: this.#actor, ...catalogue });
  }

  [Symbol.dispose](): void {
    this.store.close();
  }
}
