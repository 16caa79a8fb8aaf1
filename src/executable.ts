// Everything that differs between "run from source" and "run as one packaged file".
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import sea from "node:sea";
import { fileURLToPath } from "node:url";
import { isMainThread, Worker, type WorkerOptions, workerData } from "node:worker_threads";

/** True inside `dist/sandboxgw`, false from a checkout. */
export const packaged: boolean = sea.isSea();

/** A file built into the executable; undefined from source, where it lies in the checkout or in node_modules. */
export function embeddedFile(name: string): Buffer | undefined {
  return packaged ? Buffer.from(sea.getRawAsset(name)) : undefined;
}

/**
 * The SQLite addon for better-sqlite3's `nativeBinding` option; undefined from source, where the package finds its own.
 * @throws Error when no directory allows a file to be executed.
 */
export function sqliteBinding(): object | undefined {
  if (!packaged) return undefined;
  if (addonFile === undefined) extractAddon();
  else addon ??= loadAddon(addonFile);
  return addon;
}

/** Starts src/daemon/threads/worker.ts as a thread; `data` is what `threadData` returns there. */
export function startThread(data: unknown, options: WorkerOptions = {}): Worker {
  const script = embeddedFile("thread.js");
  if (script === undefined) {
    const file = new URL("./daemon/threads/worker.ts", import.meta.url);
    return new Worker(file, { ...options, workerData: { data } satisfies ThreadData });
  }
  sqliteBinding(); // the thread is told which file to load, so it has to exist first
  const start: ThreadData = { data, ...(addonFile !== undefined && { addonFile }) };
  return new Worker(script.toString("utf8"), { ...options, eval: true, workerData: start });
}

/** Inside a thread: what it was started with. Both ends are the same build of this program, so the type is taken on trust. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function threadData<T>(): T {
  const start: { readonly data: T } = workerData;
  return start.data;
}

/** How this program is started: what comes before its own arguments. */
export function ownProgram(): { readonly command: string; readonly args: readonly string[] } {
  const command = process.execPath;
  if (packaged) return { command, args: [] };
  return { command, args: [...process.execArgv, fileURLToPath(new URL("../bin/sandboxgw.ts", import.meta.url))] };
}

export interface ChildOptions {
  /** The child's whole environment: nothing is inherited. Default: empty. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdio?: StdioOptions;
  /** In a process group (and session) of its own, so that a signal can reach all of it. */
  readonly detached?: boolean;
  /** Node flags. From source only: the packaged file takes none from outside, on purpose. */
  readonly execArgv?: readonly string[];
}

/** This program again, as a child process: `__child <name> <args…>`. */
export function spawnChild(name: string, args: readonly string[], options: ChildOptions = {}): ChildProcess {
  const own = packaged
    ? []
    : [
        "--disable-sigusr1",
        ...(options.execArgv ?? []),
        fileURLToPath(new URL("../bin/sandboxgw.ts", import.meta.url)),
      ];
  return spawn(process.execPath, [...own, "__child", name, ...args], {
    env: { ...options.env },
    stdio: options.stdio ?? "pipe",
    detached: options.detached ?? false,
  });
}

interface ThreadData {
  readonly data: unknown;
  readonly addonFile?: string;
}

// Process-wide by nature: all threads of a process must load the addon from the same file, because two copies of
// SQLite in one process break each other's POSIX locks.
let addonFile: string | undefined = isMainThread ? undefined : workerData?.addonFile;
let addon: object | undefined;

const O_TMPFILE = 0o20200000;

/** Loads the addon and remembers for the other threads from which file. */
function extractAddon(): void {
  const bytes = Buffer.from(sea.getRawAsset("better_sqlite3.node"));
  const failures: string[] = [];
  for (const directory of new Set([os.tmpdir(), "/dev/shm", "/var/tmp", os.homedir()])) {
    try {
      const file = process.platform === "linux" ? unnamedFile(directory, bytes) : ownFile(directory, bytes);
      addon = loadAddon(file); // fails where the directory is mounted noexec
      addonFile = file;
      return;
    } catch (error) {
      failures.push(`${directory}: ${String(error)}`);
    }
  }
  throw new Error(`cannot load the embedded SQLite: no writable directory allows execution (${failures.join("; ")})`);
}

/** A file without a name: no other process can open or replace it, and nothing is left on the disk. */
function unnamedFile(directory: string, bytes: Buffer): string {
  const fd = fs.openSync(directory, O_TMPFILE | fs.constants.O_RDWR, 0o700);
  fs.writeFileSync(fd, bytes);
  return `/proc/self/fd/${fd}`;
}

function ownFile(directory: string, bytes: Buffer): string {
  const own = fs.mkdtempSync(path.join(directory, "sandboxgw-"));
  process.once("exit", () => fs.rmSync(own, { recursive: true, force: true }));
  const file = path.join(own, "better_sqlite3.node");
  fs.writeFileSync(file, bytes, { mode: 0o700 });
  return file;
}

function loadAddon(file: string): object {
  const module = { exports: {} };
  process.dlopen(module, file);
  return module.exports;
}
