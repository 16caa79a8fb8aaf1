import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Installation } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

test("sandboxgw reload says what follows and what waits, refuses what cannot be, and needs a gateway", async () => {
  const file = join(temporaryFolder(), "sandboxgw.ini");
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "MAX_RETRIES = 1\n");
  const installation = new Installation({ SANDBOXGW_CONFIG: file });
  await installation.run("sandbox", "add", "box", "--url", "http://127.0.0.1:9");
  expect(await installation.run("reload")).toMatchObject({
    code: 7,
    stderr: expect.stringContaining("No gateway runs here"),
  });

  const daemon = await installation.serve({ workers: 1 });
  writeFileSync(file, "MAX_RETRIES = 2\nMAX_BODY_SIZE = 1mb\n");
  const { code, stdout } = await installation.run("reload");
  expect([code, stdout]).toEqual([0, "MAX_RETRIES = 1 → 2\nMAX_BODY_SIZE = 10mb → 1mb (waits for a restart)\n"]);
  expect((await installation.run("reload")).stdout).toContain("MAX_BODY_SIZE = 10mb → 1mb (waits for a restart)");

  writeFileSync(file, "MAX_RETRIES = 2\nMAX_BODY_SIZE = 1mb\nMAX_RETRYS = 5\n");
  const typed = await installation.run("reload");
  expect([typed.code, typed.stderr]).toEqual([0, expect.stringMatching(/^warning: .*:3.*MAX_RETRYS.*MAX_RETRIES/)]);

  writeFileSync(file, "MAX_RETRIES = many\n");
  const refused = await installation.run("reload");
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain(`${file}:1`);
  expect((await fetch(`${daemon.url}/health`)).status).toBe(200);
});

test("a SIGHUP while the gateway starts is followed when it has, and one that hangs is said not to have reloaded", async () => {
  const file = join(temporaryFolder(), "sandboxgw.ini");
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "MAX_RETRIES = 1\n");
  const installation = new Installation({ SANDBOXGW_CONFIG: file });
  const serving = installation.serve({ workers: 1 });
  const holder = join(installation.dataDir, "daemon.json"); // it is being started, and has read its configuration
  await eventually("it holds its data folder", () => existsSync(holder));
  writeFileSync(file, "MAX_RETRIES = 2\n");
  const { pid } = JSON.parse(readFileSync(holder, "utf8")) as { pid: number };
  process.kill(pid, "SIGHUP");
  const { child, log } = await serving;
  await eventually("it follows", () => log.some((line) => line.includes("MAX_RETRIES = 1 → 2")));

  child.kill("SIGSTOP");
  const { code, stderr } = await installation.run("reload");
  child.kill("SIGCONT");
  expect([code, stderr]).toEqual([7, expect.stringContaining("has not reloaded its configuration")]);
}, 30_000);

test("reloads that are asked for at the same time both follow what was written before", async () => {
  const file = join(temporaryFolder(), "sandboxgw.ini");
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "MAX_RETRIES = 1\n");
  const installation = new Installation({ SANDBOXGW_CONFIG: file });
  const daemon = await installation.serve({ workers: 1 });
  writeFileSync(file, "MAX_RETRIES = 2\n");
  const ran = await Promise.all([installation.run("reload"), installation.run("reload")]);
  expect(ran.map(({ code }) => code)).toEqual([0, 0]);
  expect(daemon.log.filter((line) => line.includes("MAX_RETRIES = 1 → 2"))).toHaveLength(1);
}, 30_000);
