import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { type Archive, unpack } from "../../../src/drivers/wasm/archive.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** An archive, and how often its content was needed. */
function archiveOf(contents: Record<string, string>): { archive: Archive; loads: () => number } {
  let loads = 0;
  const files = Object.entries(contents).map(([name, content]) => ({
    path: name,
    size: Buffer.byteLength(content),
    sha256: createHash("sha256").update(content).digest("hex"),
  }));
  const content = () => {
    loads += 1;
    return Buffer.from(Object.values(contents).join(""));
  };
  return { archive: { files, content }, loads: () => loads };
}

const mode = (name: string) => fs.statSync(name).mode & 0o777;
const read = (folder: string, name: string) => fs.readFileSync(path.join(folder, name), "utf8");
const SOME = { "a.js": "first", "deep/er/b.wasm": "sécond", "empty.txt": "" };

test("every file is unpacked with its content, for the owner only", () => {
  const cache = path.join(temporaryFolder(), "cache");
  const folder = unpack(archiveOf(SOME).archive, cache);
  for (const [name, content] of Object.entries(SOME)) expect(read(folder, name)).toBe(content);
  expect([cache, folder, path.join(folder, "deep/er"), path.join(folder, "a.js")].map(mode)).toEqual([
    0o700, 0o700, 0o700, 0o400,
  ]);
});

test("what is there and intact is used as it is", () => {
  const cache = temporaryFolder();
  const { archive, loads } = archiveOf(SOME);
  const folder = unpack(archive, cache);
  expect(unpack(archive, cache)).toBe(folder);
  expect(loads()).toBe(1);
});

test.each<[string, (folder: string) => void]>([
  ["changed without a change in size", (folder) => overwrite(path.join(folder, "a.js"), "fIrst")],
  ["made longer", (folder) => overwrite(path.join(folder, "a.js"), "first!")],
  ["lost", (folder) => fs.rmSync(path.join(folder, "a.js"))],
  ["added", (folder) => fs.writeFileSync(path.join(folder, "deep/added.js"), "evil")],
  ["replaced by a link to the same content", (folder) => relink(path.join(folder, "a.js"))],
])("a folder in which a file was %s is unpacked again", (_what, tamper) => {
  const cache = temporaryFolder();
  const { archive, loads } = archiveOf(SOME);
  tamper(unpack(archive, cache));
  const folder = unpack(archive, cache);
  expect(loads()).toBe(2);
  expect(fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted()).toEqual([
    "a.js",
    "deep",
    "deep/er",
    "deep/er/b.wasm",
    "empty.txt",
  ]);
  expect(fs.lstatSync(path.join(folder, "a.js")).isFile()).toBe(true);
  expect(read(folder, "a.js")).toBe("first");
  expect(fs.readdirSync(cache)).toEqual([path.basename(folder)]);
});

test("a folder that another process has made meanwhile is left alone", () => {
  const cache = temporaryFolder();
  const { archive } = archiveOf(SOME);
  let theirs = 0;
  const slow: Archive = {
    files: archive.files,
    content: () => {
      theirs = fs.statSync(unpack(archive, cache)).ino;
      return archive.content();
    },
  };
  const folder = unpack(slow, cache);
  expect(fs.statSync(folder).ino).toBe(theirs);
  expect(fs.readdirSync(cache)).toEqual([path.basename(folder)]);
});

test("another version gets another folder, and the old one is removed", () => {
  const cache = temporaryFolder();
  fs.writeFileSync(path.join(cache, "other.txt"), "not ours");
  const old = unpack(archiveOf({ "a.js": "old" }).archive, cache);
  const folder = unpack(archiveOf({ "a.js": "new" }).archive, cache);
  expect(folder).not.toBe(old);
  expect(fs.readdirSync(cache).toSorted()).toEqual(["other.txt", path.basename(folder)]);
});

function overwrite(file: string, content: string): void {
  fs.chmodSync(file, 0o600);
  fs.writeFileSync(file, content);
}

function relink(file: string): void {
  const elsewhere = path.join(temporaryFolder(), "same.js");
  fs.renameSync(file, elsewhere);
  fs.symlinkSync(elsewhere, file);
}
