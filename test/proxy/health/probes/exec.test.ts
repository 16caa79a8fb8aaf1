import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askByProgram } from "../../../../src/proxy/health/probes/exec.ts";
import { eventually } from "../../../support/eventually.ts";
import { findingOf, targetAt } from "../../../support/health-targets.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const URL_TEXT = "http://127.0.0.1:9123";

/** A shell script as a program; $DIR is its folder. */
function program(script: string): { path: string; folder: string } {
  const folder = temporaryFolder();
  const path = join(folder, "check");
  writeFileSync(path, `#!/bin/sh\nDIR=${folder}\n${script}\n`);
  chmodSync(path, 0o755);
  return { path, folder };
}

const ask = (path: string) => findingOf(askByProgram, targetAt(URL_TEXT, { kind: "exec" }, { program: path }));

test("an instance is well when the program ends with 0, else its end is the reason", async () => {
  expect(await ask(program("exit 0").path)).toBeNull();
  expect(await ask(program("exit 3").path)).toBe("exit code 3");
  expect(await ask(program("kill -9 $$").path)).toBe("ended by SIGKILL");
});

test("a program that is not there, or is none, is a reason too", async () => {
  expect(await ask("/nowhere/check")).toBe("there is no such program");
  const { path } = program("exit 0");
  chmodSync(path, 0o644);
  expect(await ask(path)).toBe("cannot start: EACCES");
});

test("it learns which instance is meant, and nothing of the gateway's environment", async () => {
  process.env["HEALTH_TEST_SECRET"] = "hush";
  const { path, folder } = program("env > $DIR/env; pwd > $DIR/pwd; echo $# > $DIR/count");
  expect(await ask(path)).toBeNull();
  delete process.env["HEALTH_TEST_SECRET"];
  const environment = Object.fromEntries(
    readFileSync(join(folder, "env"), "utf8")
      .split("\n")
      .map((line) => line.split("=") as [string, string]),
  );
  expect(environment).toMatchObject({
    SANDBOX_ID: "box",
    INSTANCE_ID: "ins_0",
    INSTANCE_URL: URL_TEXT,
    INSTANCE_HOST: "127.0.0.1",
    INSTANCE_PORT: "9123",
    LANG: "C.UTF-8",
  });
  const known = /^(?:SANDBOX_ID|INSTANCE_(?:ID|URL|HOST|PORT)|LANG|PATH|PWD|OLDPWD|SHLVL|_|)$/;
  expect(Object.keys(environment).filter((name) => !known.test(name))).toEqual([]);
  expect(readFileSync(join(folder, "pwd"), "utf8")).toBe("/\n");
  expect(readFileSync(join(folder, "count"), "utf8")).toBe("0\n");
});

test("a program that is cancelled ends with all that it has started", async () => {
  const { path, folder } = program("sleep 600 & echo $! > $DIR/child.new; mv $DIR/child.new $DIR/child; wait");
  let told = 0;
  const asking = askByProgram(targetAt(URL_TEXT, { kind: "exec" }, { program: path }), () => void (told += 1));
  await eventually("it has a child", () => existsSync(join(folder, "child")));
  const child = Number(readFileSync(join(folder, "child"), "utf8"));
  expect(isAlive(child)).toBe(true);
  asking.cancel();
  await eventually("the child is gone", () => !isAlive(child));
  expect(told).toBe(0);
});

test("what a program leaves behind when it ends is ended too, and what it prints is nobody's", async () => {
  const { path, folder } = program("sleep 600 & echo $! > $DIR/child; head -c 3000000 /dev/zero; exit 1");
  expect(await ask(path)).toBe("exit code 1");
  const child = Number(readFileSync(join(folder, "child"), "utf8"));
  await eventually("the child is gone", () => !isAlive(child));
});

/** A process that has ended and that nobody has waited for yet is not alive. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
