import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { describeConfig } from "../../src/config/print.ts";
import { KEY_NAMES } from "../../src/config/schema.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sandboxgw-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

test("every key is shown once with its value and where that comes from", () => {
  const file = join(root, "x.ini");
  writeFileSync(file, "[proxy]\nPROXY_TIMEOUT = 90\nIP_DENY_LIST = 10.0.0.0/8 ::1");
  const env = { HOME: root, SANDBOXGW_MAX_BODY_SIZE: "2048" };
  const rows = describeConfig(loadConfig({ cwd: root, env, configFile: file, flags: { GATEWAY_PORT: "0" } }));
  expect(rows.map((row) => row.key)).toEqual(KEY_NAMES);
  expect(rows).toEqual(
    expect.arrayContaining([
      { key: "GATEWAY_PORT", value: "0", origin: "flag" },
      { key: "MAX_BODY_SIZE", value: "2kb", origin: "environment SANDBOXGW_MAX_BODY_SIZE" },
      { key: "PROXY_TIMEOUT", value: "90s", origin: `${file}:2` },
      { key: "IP_DENY_LIST", value: "10.0.0.0/8, ::1/128", origin: `${file}:3` },
      { key: "TOKEN_SECRET", value: "", origin: "default" },
      { key: "GATEWAY_WORKERS", value: "auto", origin: "default" },
    ]),
  );
});

test("a secret is masked, its length included", () => {
  const secret = "correct horse battery staple correct";
  const rows = describeConfig(loadConfig({ cwd: root, env: { HOME: root, TOKEN_SECRET: secret } }));
  expect(rows.find((row) => row.key === "TOKEN_SECRET")?.value).toBe("********");
  expect(JSON.stringify(rows)).not.toContain(secret);
});
