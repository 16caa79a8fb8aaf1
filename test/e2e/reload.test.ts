import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Installation } from "../support/daemon.ts";
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

  writeFileSync(file, "MAX_RETRIES = many\n");
  const refused = await installation.run("reload");
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain(`${file}:1`);
  expect((await fetch(`${daemon.url}/health`)).status).toBe(200);
});
