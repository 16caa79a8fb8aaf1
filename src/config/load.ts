import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { GatewayError } from "../errors.ts";
import { type ConfigFile, findConfigFile } from "./find.ts";
import {
  describeOrigin,
  environmentLayer,
  exposure,
  fileLayer,
  flagLayer,
  isExposed,
  keyFileLayer,
  type Layer,
  type Origin,
  type Texts,
  type Written,
} from "./layers.ts";
import { formatFinding, formatProblem, isPlaceholder, lintIni, nearestKey, valueProblem } from "./lint.ts";
import { problemsTogether } from "./together.ts";
import { type Config, isSecret, KEY_NAMES, type KeyName, SCHEMA } from "./schema.ts";

export interface LoadOptions {
  /** Values from the command line, as text. */
  readonly flags?: Readonly<Partial<Record<KeyName, string | undefined>>>;
  /** Default: the process's own. */
  readonly env?: Texts;
  readonly cwd?: string;
  /** The file named with --config; without it SANDBOXGW_CONFIG, then the usual places. */
  readonly configFile?: string | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  readonly origins: Readonly<Record<KeyName, Origin>>;
  /** The configuration file that was read; null when there is none. */
  readonly file: string | null;
  /** To be told to a person at start. Contain no secret. */
  readonly warnings: readonly string[];
}

/**
 * The configuration, key by key: flags > environment > the file named by KEY_FILE (secrets) > INI file > default. Empty
 * means "not set" in every layer. A file is refused for whatever `lintIni` calls an error, wherever the value in force
 * comes from; only unknown keys are merely told, so that a file written for a newer version still starts.
 * @throws GatewayError GW_012 whose details name every problem, one a line.
 */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const { flags = {}, env = process.env, cwd = process.cwd() } = options;
  const problems: string[] = [];
  const warnings = misspelt(env);
  const warn = (warning: string) => void warnings.push(warning);
  const report = (origin: Origin, key: string, reason: string) => void problems.push(located(origin, key, reason));

  const file = locateConfigFile(options);
  for (const finding of file === null ? [] : lintIni(file.text, file.path)) {
    const refused = finding.severity === "error" && finding.kind !== "unknown";
    (refused ? problems : warnings).push(formatFinding(finding));
  }

  const fromEnvironment = environmentLayer(env, cwd);
  const fromFile = fileLayer(file);
  const fromKeyFile = keyFileLayer([fromEnvironment, fromFile], report, warn);
  const layers = [flagLayer(flags, cwd), fromEnvironment, fromKeyFile, fromFile];
  const holdsSecret = KEY_NAMES.some((name) => isSecret(name) && choose(name, [fromFile]) !== undefined);
  if (file !== null && holdsSecret && isExposed(file.path)) warn(exposure(file.path));

  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const name of KEY_NAMES) {
    const written = choose(name, layers, warn);
    const { text, origin, base } = written ?? { text: initial(name, env), origin: { layer: "default" }, base: cwd };
    const reason = valueProblem(name, text);
    // What is wrong in the file was said by the linter.
    if (reason !== undefined && origin.layer !== "file") report(origin, name, reason);
    if (reason !== undefined) continue;
    const { value } = SCHEMA[name];
    values[name] = value.parse("path" in value && text !== "" ? resolve(base, text) : text);
    origins[name] = origin;
  }
  if (problems.length === 0 && isConfig(values)) problems.push(...problemsTogether(values));
  if (problems.length > 0 || !isConfig(values) || !hasEveryKey(origins)) {
    throw new GatewayError("GW_012", { details: problems.join("\n") });
  }
  return { config: values, origins, file: file?.path ?? null, warnings };
}

/** The file that `loadConfig` reads; null when there is none. @throws GatewayError GW_012 when it cannot be read. */
export function locateConfigFile(options: Omit<LoadOptions, "flags"> = {}): ConfigFile | null {
  const { env = process.env, cwd = process.cwd(), configFile } = options;
  return findConfigFile({ cwd, env, explicit: configFile ?? (env["SANDBOXGW_CONFIG"] || undefined) });
}

/** Takes variables that are meant for this process alone out of its environment: what it starts does not see them. */
export function takeVariables(names: readonly string[], env: NodeJS.ProcessEnv = process.env): Texts {
  const taken: Record<string, string | undefined> = {};
  for (const name of names) {
    taken[name] = env[name];
    delete env[name];
  }
  return taken;
}

/** Where the daemon keeps its state when nobody says so; `uid` is undefined where there are no user numbers. */
export function defaultDataDir(env: Texts, uid: number | undefined = process.getuid?.()): string {
  if (uid === 0) return "/var/lib/sandboxgw";
  const stateHome = env["XDG_STATE_HOME"] ?? "";
  // The XDG specification: a relative path is to be ignored.
  return join(isAbsolute(stateHome) ? stateHome : join(env["HOME"] || homedir(), ".local", "state"), "sandboxgw");
}

/** The first layer's text that is one: not empty, and not a secret's `<placeholder>`. */
function choose(name: KeyName, layers: readonly Layer[], warn?: (warning: string) => void): Written | undefined {
  for (const layer of layers) {
    const written = layer(name);
    if (written === undefined || written.text === "") continue;
    if (!isSecret(name) || !isPlaceholder(written.text)) return written;
    if (written.origin.layer !== "file") warn?.(located(written.origin, name, "a placeholder counts as not set"));
  }
  return undefined;
}

/** The master key as systemd hands it to a service (LoadCredential=secrets.key:…); empty = it does not. */
function mountedKey(env: Texts): string {
  const folder = env["CREDENTIALS_DIRECTORY"] ?? "";
  const file = join(folder, "secrets.key");
  return isAbsolute(folder) && existsSync(file) ? file : "";
}

function initial(name: KeyName, env: Texts): string {
  if (name === "SECRETS_KEY_FILE") return mountedKey(env);
  return name === "DATA_DIR" ? defaultDataDir(env) : SCHEMA[name].initial;
}

/** Only a variable with our prefix is certainly meant for us; only one that resembles a key is a misspelt one. */
function misspelt(env: Texts): string[] {
  return Object.keys(env).flatMap((name) => {
    const meant = name.startsWith("SANDBOXGW_") ? nearestKey(name) : undefined;
    if (meant === undefined || name === `SANDBOXGW_${meant}`) return [];
    return [`environment: ${formatProblem(name, "unknown key", `SANDBOXGW_${meant}`)}`];
  });
}

/** A variable is named once: mostly its name is the key's. */
function located(origin: Origin, key: string, reason: string): string {
  const named = origin.layer === "environment" && origin.name.endsWith(key);
  return `${describeOrigin(origin)}: ${named ? reason : formatProblem(key, reason)}`;
}

function isConfig(values: Record<string, unknown>): values is Record<string, unknown> & Config {
  return hasEveryKey(values);
}

function hasEveryKey<T>(values: Record<string, T>): values is Record<string, T> & Record<KeyName, T> {
  return KEY_NAMES.every((name) => Object.hasOwn(values, name));
}
