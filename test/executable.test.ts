import { once } from "node:events";
import fs from "node:fs";
import { expect, test } from "vitest";
import { embeddedFile, packaged, spawnChild, sqliteBinding } from "../src/executable.ts";

test("from source nothing is embedded and packages find their own files", () => {
  expect(packaged).toBe(false);
  expect(embeddedFile("thread.js")).toBeUndefined();
  expect(sqliteBinding()).toBeUndefined();
});

test("a child gets the environment it is given and nothing else", async () => {
  process.env.SANDBOXGW_TEST_INHERITED = "yes";
  const child = spawnChild("unknown", [], { env: { GIVEN: "1" } });
  await once(child, "spawn");
  expect(fs.readFileSync(`/proc/${child.pid}/environ`, "utf8")).toBe("GIVEN=1\0");
  child.kill("SIGKILL");
});

test("a child that does not exist ends the process with an error that names it", async () => {
  const child = spawnChild("unknown", ["argument"]);
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code]: unknown[] = await once(child, "close");
  expect(code).not.toBe(0);
  expect(said).toContain('unknown child "unknown"');
});
