import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

export interface Program {
  /** Absolute, or undefined when it is not installed. */
  readonly path: string | undefined;
  /** As far as the program tells. */
  readonly version: string;
  readonly missing: string | undefined;
}

/** Looks for a program in PATH and where Debian puts daemons; `debianPackage` is named when it is absent. */
export function findProgram(name: string, versionArgs: string[], debianPackage: string): Program {
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/sbin", "/usr/local/sbin"];
  const found = folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
  if (found === undefined) {
    return { path: undefined, version: "", missing: `${name} is not installed (Debian package ${debianPackage})` };
  }
  // nginx tells its version on stderr, wrk with exit code 1.
  const { stdout, stderr } = spawnSync(found, versionArgs, { encoding: "utf8" });
  return { path: found, version: /\d+(\.\d+)+/.exec(stdout + stderr)?.[0] ?? "", missing: undefined };
}
