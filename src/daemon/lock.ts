import fs from "node:fs";
import path from "node:path";
import { GatewayError, hasCode } from "../errors.ts";
import { privateFile } from "../store/data-folder.ts";
import { Connection, isLocked } from "../store/sqlite/engine/connection.ts";

/** The daemon that holds a data folder, as it described itself. */
export interface LockHolder {
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** Held as long as this object is: keep it. The kernel releases it when the process ends, however it ends. */
export interface DaemonLock {
  release(): void;
}

/** Milliseconds; longer than `isDaemonRunning` looks, so that looking never keeps a daemon from starting. */
const PATIENCE = 250;

/**
 * Makes this process the data folder's only daemon. The lock is SQLite's own on an empty file: unlike a pid file it
 * cannot be left behind, and unlike bare POSIX locks it also holds within one process.
 * @throws GatewayError GW_004 when another daemon has it, GW_008 when it cannot be written who has: the disk is full.
 */
export function acquireDaemonLock(file: string): DaemonLock {
  privateFile(file);
  const connection = new Connection(file, { busyTimeout: PATIENCE });
  try {
    connection.execute("BEGIN EXCLUSIVE");
  } catch (error) {
    connection.close();
    throw isLocked(error) ? new GatewayError("GW_004", { details: describe(file), cause: error }) : error;
  }
  try {
    writeHolder(file, { pid: process.pid, startedAt: Date.now() });
  } catch (error) {
    connection.close();
    throw error;
  }
  return {
    release() {
      fs.rmSync(holderFile(file), { force: true });
      connection.close();
    },
  };
}

/** The lock as a part of the daemon: held from its start to its stop. */
export class DaemonLockPart {
  readonly #file: string;
  #lock: DaemonLock | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws GatewayError as `acquireDaemonLock`. */
  start(): void {
    this.#lock = acquireDaemonLock(this.#file);
  }

  stop(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }
}

/** True while a daemon holds the lock, in this process or another. */
export function isDaemonRunning(file: string): boolean {
  if (!fs.existsSync(file)) return false;
  const connection = new Connection(file, { readonly: true, busyTimeout: 0 });
  try {
    connection.pragma("schema_version");
    return false;
  } catch (error) {
    if (isLocked(error)) return true;
    throw error;
  } finally {
    connection.close();
  }
}

/** Who holds the lock, as far as it is known; undefined when nobody does. */
export function findLockHolder(file: string): LockHolder | undefined {
  return isDaemonRunning(file) ? readHolder(file) : undefined;
}

function describe(file: string): string {
  const folder = path.dirname(file);
  const holder = readHolder(file);
  if (holder === undefined) return folder;
  return `${folder} is held by process ${holder.pid}, started ${new Date(holder.startedAt).toISOString()}`;
}

function holderFile(file: string): string {
  return path.join(path.dirname(file), "daemon.json");
}

function writeHolder(file: string, { pid, startedAt }: LockHolder): void {
  const target = holderFile(file);
  const draft = `${target}.${pid}`;
  privateFile(draft);
  try {
    fs.writeFileSync(draft, `${JSON.stringify({ pid, started_at_ms: startedAt })}\n`);
    fs.renameSync(draft, target);
  } catch (cause) {
    fs.rmSync(draft, { force: true });
    const remediation = hasCode(cause, "ENOSPC") ? { remediation: "Free space on the disk, then repeat" } : {};
    throw new GatewayError("GW_008", { details: `${target}: ${String(cause)}`, ...remediation, cause });
  }
}

function readHolder(file: string): LockHolder | undefined {
  try {
    const value: unknown = JSON.parse(fs.readFileSync(holderFile(file), "utf8"));
    if (typeof value !== "object" || value === null || !("pid" in value) || !("started_at_ms" in value))
      return undefined;
    const { pid, started_at_ms: startedAt } = value;
    return typeof pid === "number" && typeof startedAt === "number" ? { pid, startedAt } : undefined;
  } catch {
    // The holder has not written it yet, or is just leaving.
    return undefined;
  }
}
