import fs from "node:fs";
import path from "node:path";
import { GatewayError, hasCode } from "../errors.ts";

/** Where everything of one gateway lies. All of it is readable by its owner only. */
export interface DataFolder {
  /** Absolute. */
  readonly root: string;
  /** SQLite, in WAL mode: its log and `-shm` lie beside it. */
  readonly database: string;
  /** Holds what was committed last, until SQLite moves it into the database. */
  readonly databaseLog: string;
  /** The audit chain's head, kept once more: see audit/kept-head.ts. */
  readonly auditHead: string;
  /** The master key, unless SECRETS_KEY_FILE names another file. */
  readonly secretsKey: string;
  /** Held by the running daemon. */
  readonly lock: string;
  /** Directory of the unix sockets of instances the daemon starts. */
  readonly run: string;
  /** Directory of unpacked assets; may be deleted at any time. */
  readonly cache: string;
}

/** The places in a data folder, which need not be there. */
export function dataFolderAt(folder: string): DataFolder {
  const root = path.resolve(folder);
  return {
    root,
    database: path.join(root, "sandboxgw.db"),
    databaseLog: path.join(root, "sandboxgw.db-wal"),
    auditHead: path.join(root, "audit.head"),
    secretsKey: path.join(root, "secrets.key"),
    lock: path.join(root, "daemon.lock"),
    run: path.join(root, "run"),
    cache: path.join(root, "cache"),
  };
}

/**
 * Makes the data folder, or checks and if need be tightens the one that is there (0700, owned by this user).
 * @throws GatewayError GW_008 when it is not a directory, belongs to somebody else, has other things in it that others
 *   use, or cannot be written.
 */
export function openDataFolder(folder: string): DataFolder {
  const places = dataFolderAt(folder);
  refuseShared(places);
  for (const directory of [places.root, places.run, places.cache]) privateDirectory(directory);
  return places;
}

/**
 * Whether a database must be in this folder. Its keys and its audit head are made after the database and what they belong to
 * in it, so while they are there, it is: asked before the database is looked at, this is never true by accident.
 */
export function hasHistory({ secretsKey, auditHead }: DataFolder): boolean {
  return fs.existsSync(secretsKey) || fs.existsSync(auditHead);
}

/**
 * Makes an empty file with mode 0600 whatever the umask, or tightens the one that is there.
 * An existing file is never opened: closing any descriptor of a file drops all POSIX locks this process holds on it,
 * and SQLite's are such locks.
 * @throws GatewayError GW_008
 */
export function privateFile(file: string): void {
  try {
    const fd = fs.openSync(file, "wx", 0o600);
    fs.fchmodSync(fd, 0o600);
    fs.closeSync(fd);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw unusable(file, error);
    tighten(file, fs.statSync(file), 0o600);
  }
}

/** What may lie in a data folder before its database does. */
const EARLY: ReadonlySet<string> = new Set(["run", "cache", "daemon.lock", "daemon.json", "lost+found"]);

/** A folder such as /tmp or a home must not become this gateway's, for it would be closed to everybody else. */
function refuseShared(folder: DataFolder): void {
  const { root, database } = folder;
  if (fs.existsSync(database) || hasHistory(folder) || !isShared(root)) return;
  throw new GatewayError("GW_008", {
    details: `${root} has other things in it, and other users may look into it`,
    remediation: "Name a folder of the gateway's own with --data-dir: it is made when it is not there",
  });
}

/** Windows has no modes in this sense. */
function isShared(directory: string): boolean {
  try {
    const stat = fs.statSync(directory, { throwIfNoEntry: false });
    if (stat?.isDirectory() !== true || process.geteuid === undefined || (stat.mode & 0o077) === 0) return false;
    return fs.readdirSync(directory).some((name) => !EARLY.has(name));
  } catch (error) {
    throw unusable(directory, error);
  }
}

function privateDirectory(directory: string): void {
  try {
    makeDirectory(directory);
    const stat = fs.statSync(directory);
    if (!stat.isDirectory()) throw new Error("not a directory");
    tighten(directory, stat, 0o700);
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    throw error instanceof GatewayError ? error : unusable(directory, error);
  }
}

/**
 * With its parents, unless it is there. Not by mkdir's `recursive`: that never returns where the parent exists and still
 * nothing can be made in it, as in /proc.
 */
function makeDirectory(directory: string): void {
  try {
    fs.mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (hasCode(error, "EEXIST")) return;
    const parent = path.dirname(directory);
    if (!hasCode(error, "ENOENT") || fs.existsSync(parent)) throw error;
    makeDirectory(parent);
    fs.mkdirSync(directory, { mode: 0o700 });
  }
}

/** Windows has neither owners nor modes in this sense. */
function tighten(file: string, stat: fs.Stats, mode: number): void {
  const user = process.geteuid?.();
  if (user === undefined) return;
  if (stat.uid !== user) {
    const details = `${file} belongs to user ${stat.uid}, this process runs as user ${user}`;
    throw new GatewayError("GW_008", { details });
  }
  if ((stat.mode & 0o777) === mode) return;
  try {
    fs.chmodSync(file, mode);
  } catch (error) {
    throw unusable(file, error);
  }
}

function unusable(file: string, cause: unknown): GatewayError {
  const reason = hasCode(cause, "EEXIST") ? "not a directory" : cause instanceof Error ? cause.message : String(cause);
  return new GatewayError("GW_008", { details: `${file}: ${reason}`, cause });
}
