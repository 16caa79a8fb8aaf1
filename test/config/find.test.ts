import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findConfigFile } from "../../src/config/find.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sandboxgw-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, text: string): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

const find = (explicit?: string, env: Record<string, string> = { HOME: join(root, "home") }) =>
  findConfigFile({ cwd: root, env, explicit });

test("the folder the program runs in comes before the user's configuration", () => {
  const user = put("home/.config/sandboxgw/sandboxgw.ini", "LOG_LEVEL=warn");
  expect(find()).toEqual({ path: user, text: "LOG_LEVEL=warn" });
  const here = put("sandboxgw.ini", "LOG_LEVEL=debug");
  expect(find()).toEqual({ path: here, text: "LOG_LEVEL=debug" });
});

test("XDG_CONFIG_HOME replaces ~/.config", () => {
  put("home/.config/sandboxgw/sandboxgw.ini", "");
  const file = put("xdg/sandboxgw/sandboxgw.ini", "A=1");
  expect(find(undefined, { HOME: join(root, "home"), XDG_CONFIG_HOME: join(root, "xdg") })?.path).toBe(file);
});

test("an empty file counts as found", () => {
  const file = put("sandboxgw.ini", "");
  expect(find()).toEqual({ path: file, text: "" });
});

test("a parent folder, config.ini and package.json are no places to look", () => {
  put("sandboxgw.ini", "A=1");
  const below = dirname(put("below/config.ini", "A=1"));
  put("below/package.json", '{"sandboxgw": {"A": 1}}');
  expect(findConfigFile({ cwd: below, env: { HOME: root }, explicit: undefined })).toBeNull();
});

test("a named file is read whatever it is called, from the working directory", () => {
  const file = put("etc/gateway.conf", "A=1");
  put("sandboxgw.ini", "A=2");
  expect(find("etc/gateway.conf")).toEqual({ path: file, text: "A=1" });
});

test("a named file that does not exist is an error that names it", () => {
  expect(() => find("missing.ini")).toThrow(
    expect.objectContaining({ code: "GW_012", details: `${join(root, "missing.ini")}: no such file` }),
  );
});

test("a file that is there and cannot be read is an error, not skipped", () => {
  mkdirSync(join(root, "sandboxgw.ini"));
  expect(() => find()).toThrow(expect.objectContaining({ code: "GW_012" }));
  expect(() => find("sandboxgw.ini")).toThrow(/EISDIR/);
});

test.skipIf(process.getuid?.() === 0)("a file without read permission is an error, not skipped", () => {
  chmodSync(put("sandboxgw.ini", "A=1"), 0o000);
  expect(() => find()).toThrow(expect.objectContaining({ code: "GW_012" }));
});

test("nothing in the working directory is run", () => {
  const mark = "globalThis.sandboxgwRan = true; module.exports = {};";
  put("package.json", '{"cosmiconfig": {"searchPlaces": ["evil.cjs"]}}');
  put("evil.cjs", mark);
  put(".config/config.cjs", mark);
  put(".config/config.js", mark);
  put(".sandboxgwrc.js", mark);
  put("sandboxgw.config.cjs", mark);
  const before = process.cwd();
  process.chdir(root);
  try {
    expect(find()).toBeNull();
    expect(globalThis).not.toHaveProperty("sandboxgwRan");
  } finally {
    process.chdir(before);
  }
});
