import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

/** One file of an archive. The archive's content is all files one after the other, in the manifest's order. */
export interface ArchivedFile {
  /** Relative, with slashes. */
  readonly path: string;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
}

export interface Archive {
  readonly files: readonly ArchivedFile[];
  /** Loads the content: only needed when the files are not there yet. */
  readonly content: () => Buffer;
}

const PREFIX = "unpacked-";

/**
 * The folder with exactly the archive's files, every one of them checked. Unpacks them when there is no such folder or
 * when anything in it was changed, added or lost; removes what earlier versions of the program unpacked.
 * Several processes may do this at the same time.
 * @param directory Where the folder is kept; made (0700) when missing.
 * @throws Error when the folder cannot be written.
 */
export function unpack({ files, content }: Archive, directory: string): string {
  const name = PREFIX + sha256(JSON.stringify(files)).slice(0, 32);
  const folder = path.join(directory, name);
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!isIntact(files, folder)) install({ files, content }, folder);
  for (const entry of fs.readdirSync(directory)) {
    // What begins with the name is being made, perhaps by another process.
    if (entry.startsWith(PREFIX) && !entry.startsWith(name)) remove(path.join(directory, entry));
  }
  return folder;
}

function isIntact(files: readonly ArchivedFile[], folder: string): boolean {
  try {
    const present = fs
      .readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory());
    return present.length === files.length && files.every((file) => isSame(file, path.join(folder, file.path)));
  } catch {
    return false;
  }
}

function isSame(file: ArchivedFile, at: string): boolean {
  const stat = fs.lstatSync(at);
  return stat.isFile() && stat.size === file.size && sha256(fs.readFileSync(at)) === file.sha256;
}

/** Writes everything beside and puts it in place at once, so that nobody ever sees a part of it. */
function install({ files, content }: Archive, folder: string): void {
  const beside = fs.mkdtempSync(`${folder}-`);
  const bytes = content();
  let at = 0;
  for (const file of files) {
    const target = path.join(beside, file.path);
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
    fs.writeFileSync(target, bytes.subarray(at, at + file.size), { mode: 0o400 });
    at += file.size;
  }
  if (isIntact(files, folder)) return remove(beside); // another process was faster: its folder may be in use
  remove(folder);
  fs.renameSync(beside, folder);
}

/** Moves it out of the way first: a folder is not removed in one step. */
function remove(folder: string): void {
  const doomed = `${folder}.${process.pid}`;
  try {
    fs.renameSync(folder, doomed);
  } catch {
    return; // nothing there, or another process is removing it
  }
  fs.rmSync(doomed, { recursive: true, force: true });
}

function sha256(data: Buffer | string): string {
  return createHash("sha256").update(data).digest("hex");
}
