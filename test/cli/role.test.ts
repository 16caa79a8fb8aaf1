import { writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { run } from "./run.ts";

it("creates, shows, copies, updates and removes roles, and says what is wrong with a grant", async () => {
  const folder = temporaryFolder();
  const cli = (...words: string[]) => run(words, { folder });
  const created = await cli("role", "create", "ci", "--grant", "sandbox:execute sandboxes=py-* operations=run_code");
  expect(created.stdout).toBe(
    "name:     ci\nkind:     own\ngrant 1:  sandbox:execute sandboxes=py-* operations=run_code\n",
  );
  const { stdout: json } = await cli("role", "show", "ci", "-o", "json");
  const file = `${folder}/ci.json`;
  writeFileSync(file, json);
  expect((await cli("role", "create", "copy", "--file", file)).stdout).toContain("operations=run_code");
  await cli("role", "update", "copy", "--grant", "sandbox:proxy labels=team=a methods=get ports=80,3000-3010");
  expect((await cli("role", "list")).stdout).toMatch(
    /viewer +built-in +sandbox:read\nci +own +.*\ncopy +own +sandbox:proxy labels=team=a ports=80,3000-3010 methods=GET\n/,
  );
  expect((await cli("token", "create", "--sub", "a", "--role", "ci")).code).toBe(0);
  const kept = await cli("role", "remove", "ci");
  expect([kept.code, kept.stderr]).toEqual([6, expect.stringMatching(/1 token of role ci[^]*--force/)]);
  expect((await cli("role", "remove", "ci", "--force")).stderr).toContain("1 token is good for nothing now");
  const wrong = await cli("role", "create", "x", "--grant", "sandbox:proxy sandbox=a");
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("did you mean sandboxes?")]);
  expect((await cli("role", "create", "x")).code).toBe(2);
  expect((await cli("role", "show", "copi")).stderr).toContain("did you mean copy?");
});

const refused = (code: string, exists = true) => ({ allowed: false, code, sandbox_exists: exists });

it("explains by which grant a token or a role may call a sandbox, and why not", async () => {
  const folder = temporaryFolder();
  const cli = (...words: string[]) => run(words, { folder });
  await cli("role", "create", "ci", "--grant", "sandbox:execute sandboxes=py-* operations=run_code");
  for (const id of ["py-1", "js-1"]) await cli("sandbox", "add", id, "--url", "http://127.0.0.1:9");
  const { stdout } = await cli("token", "create", "--sub", "a", "--role", "ci", "--sandbox", "*-1", "-o", "json");
  const { id } = JSON.parse(stdout) as { id: string };
  const explained = async (...words: string[]): Promise<unknown> =>
    JSON.parse((await cli("explain", ...words, "-o", "json")).stdout);
  const token = ["--token-id", id, "--sandbox"];
  expect(await explained(...token, "py-1", "--operation", "run_code")).toMatchObject({
    allowed: true,
    subject: "a",
    rule: "role:ci",
    grant: { operations: ["run_code"] },
    instances: [{ url: "http://127.0.0.1:9" }],
  });
  expect(await explained(...token, "py-1", "--operation", "run_command")).toMatchObject(refused("AUTH_004"));
  expect(await explained(...token, "js-1", "--operation", "run_code")).toMatchObject(refused("ROUTE_001"));
  expect(await explained(...token, "py-9", "--operation", "run_code")).toMatchObject(refused("ROUTE_001", false));
  expect(await explained("--role", "ci", "--sandbox", "py-1")).toMatchObject(refused("AUTH_003"));
  expect(await explained("--role", "executor", "--sandbox", "py-1", "--port", "80")).toMatchObject(
    refused("ROUTE_009"),
  );
  expect((await cli("explain", "--role", "ci", "--sandbox", "py-1")).stdout).toMatch(
    /verdict: +refused with AUTH_003\n/,
  );
  await cli("token", "revoke", id);
  expect(await explained(...token, "py-1", "--operation", "run_code")).toMatchObject(refused("AUTH_001"));
  expect((await cli("explain", "--sandbox", "py-1")).code).toBe(2);
});
