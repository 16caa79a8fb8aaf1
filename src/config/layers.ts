import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { ConfigFile } from "./find.ts";
import { readIni } from "./ini.ts";
import { fileKeyOf, isKeyName, isSecret } from "./schema.ts";

/** Where a value comes from. */
export type Origin =
  | { readonly layer: "flag" }
  | { readonly layer: "environment"; readonly name: string }
  | { readonly layer: "key file"; readonly path: string }
  | { readonly layer: "file"; readonly path: string; readonly line: number }
  | { readonly layer: "default" };

/** `flag`, `environment GATEWAY_PORT`, `/etc/sandboxgw/sandboxgw.ini:3`, `/run/secrets/token`, `default`. */
export function describeOrigin(origin: Origin): string {
  if (origin.layer === "environment") return `environment ${origin.name}`;
  if (origin.layer === "file") return `${origin.path}:${origin.line}`;
  return origin.layer === "key file" ? origin.path : origin.layer;
}

/** What one layer says about a key, not yet parsed. */
export interface Written {
  readonly text: string;
  readonly origin: Origin;
  /** The folder that a relative path starts from. */
  readonly base: string;
}

/** One source of values. Undefined or an empty text = it says nothing about this name. */
export type Layer = (name: string) => Written | undefined;

export type Texts = Readonly<Record<string, string | undefined>>;

export function flagLayer(flags: Texts, base: string): Layer {
  return (name) => {
    const text = flags[name];
    return text === undefined ? undefined : { text, origin: { layer: "flag" }, base };
  };
}

/** SANDBOXGW_KEY before KEY, so that a name another program also reads can be told apart. */
export function environmentLayer(env: Texts, base: string): Layer {
  return (key) => {
    const name = [`SANDBOXGW_${key}`, key].find((candidate) => env[candidate]);
    return name === undefined ? undefined : { text: env[name] ?? "", origin: { layer: "environment", name }, base };
  };
}

/** The last entry of a name counts, as in the ini package. */
export function fileLayer(file: ConfigFile | null): Layer {
  const entries = new Map(file === null ? [] : readIni(file.text).map((entry) => [entry.key, entry]));
  return (name) => {
    const entry = entries.get(name);
    if (file === null || entry === undefined) return undefined;
    const origin = { layer: "file", path: file.path, line: entry.line } as const;
    return { text: entry.value, origin, base: dirname(file.path) };
  };
}

/**
 * A secret out of the file that `pointers` name as KEY_FILE; one line end at its end is dropped.
 * `report` gets a problem when that file cannot be used, `warn` when every user may read it.
 */
export function keyFileLayer(pointers: readonly Layer[], report: Report, warn: (warning: string) => void): Layer {
  return (name) => {
    if (!isKeyName(name) || !isSecret(name)) return undefined;
    const pointer = pointers.map((layer) => layer(fileKeyOf(name))).find((written) => written?.text);
    if (pointer === undefined) return undefined;
    const path = resolve(pointer.base, pointer.text);
    try {
      const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
      if (text === "") report(pointer.origin, name, `${path} is empty`);
      if (isExposed(path)) warn(exposure(path));
      return { text, origin: { layer: "key file", path }, base: dirname(path) };
    } catch (error) {
      const why = error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
      report(pointer.origin, name, `${path} cannot be read: ${why}`);
      return undefined;
    }
  };
}

export type Report = (origin: Origin, key: string, reason: string) => void;

/** True when every user of the machine may read the file. Windows has no such bits: false. */
export function isExposed(path: string): boolean {
  return process.platform !== "win32" && (statSync(path).mode & 0o004) !== 0;
}

export function exposure(path: string): string {
  return `${path}: holds a secret and every user may read it: chmod 600 ${path}`;
}
