import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished, test, expect } from "vitest";
import { descendantsOf } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const SCRIPT = join(import.meta.dirname, "../../scripts/quickstart.ts");

/** The quick start up to its first line, with a folder for temporary files of its own. */
async function begun() {
  const folder = temporaryFolder();
  const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", TMPDIR: folder };
  const child = spawn(process.execPath, [SCRIPT, "--port", "0"], { env, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = once(child, "close");
  await once(child.stdout, "data");
  expect(readdirSync(folder)).toHaveLength(1);
  return { child, folder, ended, pid: child.pid ?? 0 };
}

test("the quick start leaves neither folder nor process behind when its reader has seen enough", async () => {
  const { child, folder, ended, pid } = await begun();
  child.stdout.destroy();
  const [code] = (await ended) as [number];
  expect({ code, left: readdirSync(folder), running: descendantsOf(pid) }).toEqual({ code: 0, left: [], running: [] });
});

test("the quick start leaves nothing behind when it is stopped in the middle, and says nothing of it", async () => {
  const { child, folder, ended } = await begun();
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
  child.stdout.resume();
  child.kill("SIGINT");
  const [code] = (await ended) as [number];
  expect({ code, left: readdirSync(folder), complaints }).toEqual({ code: 0, left: [], complaints: "" });
});
