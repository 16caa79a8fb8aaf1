import { userInfo } from "node:os";
import type { LoadedConfig } from "../config/load.ts";
import type { KeyName } from "../config/schema.ts";
import { EXIT } from "../errors.ts";
import type { Output } from "./output.ts";
import { Workspace } from "./workspace.ts";

interface Globals {
  readonly dataDir?: string;
  readonly config?: string;
}

/** What every command has at hand: where to print, the configuration, the data folder. */
export class Cli {
  readonly output: Output;
  /** What the process ends with when nothing is thrown. */
  exitCode: number = EXIT.ok;
  readonly #globals: () => Globals;

  constructor({ output, globals }: { output: Output; globals: () => Globals }) {
    this.output = output;
    this.#globals = globals;
  }

  /** The file given with --config. */
  get configFile(): string | undefined {
    return this.#globals().config;
  }

  /** @throws GatewayError GW_012 */
  async loadConfig(flags: Partial<Record<KeyName, string | undefined>> = {}): Promise<LoadedConfig> {
    const { loadConfig } = await import("../config/load.ts");
    return loadConfig({ flags: { DATA_DIR: this.#globals().dataDir, ...flags }, configFile: this.configFile });
  }

  /** Runs `work` on the data folder, making it when there is none, and closes it again. */
  async inWorkspace<T>(work: (workspace: Workspace) => T | Promise<T>): Promise<T> {
    const { config } = await this.loadConfig();
    using workspace = Workspace.open({ config, actor: currentUser() });
    return await work(workspace);
  }

  /** The same, but a data folder that is not there is an error: to find nothing in it would say nothing. */
  async inExistingWorkspace<T>(work: (workspace: Workspace) => T | Promise<T>): Promise<T> {
    const { config } = await this.loadConfig();
    using workspace = Workspace.openExisting({ config, actor: currentUser() });
    return await work(workspace);
  }
}

function currentUser(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    // A user without an entry in the user database, as in many containers.
    return `cli:${process.getuid?.() ?? "unknown"}`;
  }
}
