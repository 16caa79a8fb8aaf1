import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openDataFolder, privateFile } from "../../src/store/data-folder.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);
const isRoot = process.geteuid?.() === 0;

function withUmask(mask: number): void {
  const before = process.umask(mask);
  onTestFinished(() => void process.umask(before));
}

describe("openDataFolder", () => {
  it.each([0o000, 0o022, 0o277])("makes the folder and what is in it private, whatever the umask (%o)", (mask) => {
    const root = join(temporaryFolder(), "deep", "data");
    mkdirSync(join(root, ".."));
    withUmask(mask);
    const folder = openDataFolder(root);
    for (const directory of [folder.root, folder.run, folder.cache]) expect(modeOf(directory)).toBe("700");
    privateFile(folder.database);
    expect(modeOf(folder.database)).toBe("600");
  });

  it("makes missing parents", () => {
    const root = join(temporaryFolder(), "a", "b", "c");
    expect(openDataFolder(root).root).toBe(root);
    expect(existsSync(join(root, "run"))).toBe(true);
  });

  it("fails at once where no folder can ever be made, instead of trying for ever", () => {
    // In a process of its own: one that never comes back could not be timed out in this one.
    const script = `import { openDataFolder } from ${JSON.stringify(import.meta.resolve("../../src/store/data-folder.ts"))};
      try { openDataFolder("/proc/nope/data"); } catch (error) { console.log(error.code, error.details); }`;
    const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      encoding: "utf8",
      timeout: 10_000,
      killSignal: "SIGKILL",
    });
    expect({ stdout, signal }).toEqual({ stdout: expect.stringMatching(/^GW_008 \/proc\/nope.*ENOENT/), signal: null });
  });

  it("refuses a file in the place of a parent, and a link that leads nowhere", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    symlinkSync(join(folder, "gone"), join(folder, "link"));
    for (const root of [join(folder, "file", "data"), join(folder, "link"), join(folder, "link", "data")])
      expect(() => openDataFolder(root)).toThrow(expect.objectContaining({ code: "GW_008" }));
  });

  it("tightens a folder of ours that others could read", () => {
    const root = temporaryFolder();
    chmodSync(root, 0o755);
    openDataFolder(root);
    expect(modeOf(root)).toBe("700");
  });

  it.each(["secrets.key", "audit.head"])("knows one that was restored without its database by its %s", (kept) => {
    const root = temporaryFolder();
    writeFileSync(join(root, kept), "");
    chmodSync(root, 0o755);
    openDataFolder(root);
    expect(modeOf(root)).toBe("700");
  });

  it("refuses a folder that others use and that has other things in it, and leaves it as it is", () => {
    const root = temporaryFolder();
    writeFileSync(join(root, "somebody's"), "");
    chmodSync(root, 0o1777);
    expect(() => openDataFolder(root)).toThrow(
      expect.objectContaining({ code: "GW_008", remediation: expect.stringContaining("--data-dir") }),
    );
    expect(statSync(root).mode & 0o7777).toBe(0o1777);
    expect(readdirSync(root)).toEqual(["somebody's"]);
  });

  it("takes a mounted disk, and a folder of ours whatever else was put there", () => {
    const disk = temporaryFolder();
    mkdirSync(join(disk, "lost+found"));
    chmodSync(disk, 0o755);
    openDataFolder(disk);
    privateFile(join(disk, "sandboxgw.db"));
    writeFileSync(join(disk, "notes"), "");
    chmodSync(disk, 0o755);
    openDataFolder(disk);
    expect(modeOf(disk)).toBe("700");
  });

  it("can be opened again and again", () => {
    const root = temporaryFolder();
    expect(openDataFolder(root)).toEqual(openDataFolder(root));
  });

  it("refuses a file in its place", () => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    expect(() => openDataFolder(file)).toThrow(expect.objectContaining({ code: "GW_008" }));
  });

  it.runIf(isRoot)("refuses a folder of somebody else and names both users", () => {
    const root = join(temporaryFolder(), "theirs");
    mkdirSync(root);
    chownSync(root, 4242, 4242);
    expect(() => openDataFolder(root)).toThrow(
      expect.objectContaining({ code: "GW_008", details: expect.stringMatching(/user 4242.*user 0/) }),
    );
  });

  it("follows a symbolic link to a folder of ours", () => {
    const parent = temporaryFolder();
    mkdirSync(join(parent, "real"));
    symlinkSync(join(parent, "real"), join(parent, "link"));
    expect(openDataFolder(join(parent, "link")).root).toBe(join(parent, "link"));
  });
});

describe("privateFile", () => {
  it("tightens a file that is there and keeps what is in it", () => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "kept", { mode: 0o644 });
    privateFile(file);
    expect(modeOf(file)).toBe("600");
    expect(readFileSync(file, "utf8")).toBe("kept");
  });
});
