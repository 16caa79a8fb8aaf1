import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import * as cosmiconfig from "cosmiconfig/dist/ExplorerSync.js";
import { GatewayError } from "../errors.ts";

export interface ConfigFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

export interface SearchOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A file named by the user, relative to `cwd`; nothing is searched then. */
  readonly explicit: string | undefined;
}

const NAME = "sandboxgw.ini";

/**
 * The configuration file: the named one, else the first of ./sandboxgw.ini, $XDG_CONFIG_HOME/sandboxgw/sandboxgw.ini
 * (~/.config without it) and /etc/sandboxgw/sandboxgw.ini; null when there is none.
 * @throws GatewayError GW_012 when the named file does not exist, or the found one cannot be read.
 */
export function findConfigFile({ cwd, env, explicit }: SearchOptions): ConfigFile | null {
  const explorer = createExplorer();
  if (explicit !== undefined) {
    const path = resolve(cwd, explicit);
    return read(path, () => explorer.load(path));
  }
  for (const folder of [cwd, join(userConfigDir(env), "sandboxgw"), "/etc/sandboxgw"]) {
    const path = join(folder, NAME);
    const found = read(path, () => explorer.search(folder));
    if (found !== null) return found;
    // The search passes over what it may not read; to run without somebody's rules is worse than not to run.
    if (existsSync(path)) throw unreadable(path, "permission denied, or not a file");
  }
  return null;
}

function userConfigDir(env: SearchOptions["env"]): string {
  return env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
}

interface Found {
  readonly filepath: string;
  /** Missing when the file is empty. */
  readonly config?: string;
}

interface Explorer {
  load(path: string): Found | null;
  search(from: string): Found | null;
}

/**
 * The explorer inside cosmiconfig, without its public entry: whatever loaders it is given, that one first looks for
 * settings of its own in the working directory's package.json and .config/config.{js,ts,…}, and runs them (10.0.1).
 */
function createExplorer(): Explorer {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the class is there but its types are stripped
  const { ExplorerSync } = cosmiconfig as unknown as { ExplorerSync: new (options: object) => Explorer };
  return new ExplorerSync({
    moduleName: "sandboxgw",
    searchPlaces: [NAME],
    searchStrategy: "none",
    ignoreEmptySearchPlaces: false,
    loaders: { default: unchanged },
    transform: (found: Found | null) => found,
    cache: false,
    metaConfigFilePath: null,
  });
}

function unchanged(_path: string, text: string): string {
  return text;
}

function read(path: string, find: () => Found | null): ConfigFile | null {
  try {
    const found = find();
    return found === null ? null : { path: found.filepath, text: found.config ?? "" };
  } catch (cause) {
    throw unreadable(path, cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason", cause);
  }
}

function unreadable(path: string, reason: string, cause?: unknown): GatewayError {
  const why = reason === "ENOENT" ? "no such file" : `cannot be read: ${reason}`;
  const remediation = "Name a file that can be read with --config or SANDBOXGW_CONFIG, or repair this one";
  return new GatewayError("GW_012", { details: `${path}: ${why}`, remediation, cause });
}
