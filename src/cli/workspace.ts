import { existsSync } from "node:fs";
import { join } from "node:path";
import { type KeyRing, openKeys } from "../auth/keys.ts";
import type { Config } from "../config/schema.ts";
import { type Catalogue, Control } from "../control/control.ts";
import { GatewayError } from "../errors.ts";
import { type DataFolder, openDataFolder } from "../store/data-folder.ts";
import { openSqliteStore } from "../store/sqlite/open.ts";
import type { Store } from "../store/store.ts";

export interface WorkspaceOptions {
  readonly config: Config;
  readonly actor: string;
}

const NO_CATALOGUE: Catalogue = { runtimes: [], strategies: [], drivers: {} };

/** One gateway's state, opened by a command. The daemon may have it open at the same time. */
export class Workspace implements Disposable {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly store: Store;
  readonly #actor: string;
  #keys: KeyRing | undefined;

  private constructor({ config, actor }: WorkspaceOptions) {
    this.config = config;
    this.#actor = actor;
    this.folder = openDataFolder(config.DATA_DIR);
    this.store = openSqliteStore(this.folder.database, { durability: config.AUDIT_DURABILITY });
  }

  static open(options: WorkspaceOptions): Workspace {
    return new Workspace(options);
  }

  /** @throws GatewayError GW_008 when no gateway was ever set up there. */
  static openExisting(options: WorkspaceOptions): Workspace {
    const { DATA_DIR } = options.config;
    if (existsSync(join(DATA_DIR, "sandboxgw.db"))) return new Workspace(options);
    throw new GatewayError("GW_008", { details: `there is no gateway in ${DATA_DIR}` });
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
