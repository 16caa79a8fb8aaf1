import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { run } from "./run.ts";

const ADD = ["sandbox", "add", "box", "--url", "http://127.0.0.1:9", "--transform"];

test("a sandbox's transformation is read from a file, shown, and taken back", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "app.json");
  writeFileSync(file, '{ "response": { "headers": { "remove": [ "server" ] } } }\n');
  const compact = '{"response":{"headers":{"remove":["server"]}}}';
  expect((await run([...ADD, file], { folder })).code).toBe(0);
  const shown = await run(["sandbox", "show", "box"], { folder });
  expect(shown.stdout).toMatch(/^transform: /m);
  expect(shown.stdout).toContain(compact);
  const json = await run(["sandbox", "show", "box", "-o", "json"], { folder });
  expect(JSON.parse(json.stdout)).toMatchObject({ settings: { transform: compact } });
  expect((await run(["sandbox", "update", "box", "--unset", "transform"], { folder })).code).toBe(0);
  expect((await run(["sandbox", "show", "box"], { folder })).stdout).not.toContain("transform");
});

test("a document that is wrong is refused with its option and its place", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "app.json");
  writeFileSync(file, '{"response": {"header": {}}}');
  const ran = await run([...ADD, file], { folder });
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("--transform: /response/header: not one of: headers, body (did you mean headers?)");
});

test("a file that cannot be read, or is none, or far too large, is refused before anything is opened", async () => {
  const folder = temporaryFolder();
  const large = join(folder, "large.json");
  writeFileSync(large, " ".repeat(65 * 1024));
  for (const [file, reason] of [
    [join(folder, "none.json"), "cannot be read: ENOENT"],
    [folder, "is no file"],
    [large, "has more than 65536 bytes"],
  ] as const) {
    const ran = await run([...ADD, file], { folder });
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining(`--transform: ${file} ${reason}`) });
  }
});
