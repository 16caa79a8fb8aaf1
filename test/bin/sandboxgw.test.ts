import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { VERSION } from "../../src/version.ts";

const ROOT = join(import.meta.dirname, "../..");
const { bin } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { bin: { sandboxgw: string } };

const run = (...flags: string[]) => {
  const args = [...flags, join(ROOT, bin.sandboxgw), "--version"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  return { status, stdout, stderr };
};

test("what npm links starts the program", () => {
  expect(run()).toEqual({ status: 0, stdout: `${VERSION}\n`, stderr: "" });
});

test("an old Node is told which one to use, instead of failing on the program's language", () => {
  const old = 'Object.defineProperty(process, "versions", { value: { node: "20.20.2" } });';
  const { status, stdout, stderr } = run("--import", `data:text/javascript,${encodeURIComponent(old)}`);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(/^error: sandboxgw needs Node 24 .*\nhint: .*node_modules\/\.bin\/node/);
});
