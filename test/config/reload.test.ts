import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { describeChange, reload } from "../../src/config/reload.ts";
import type { Config } from "../../src/config/schema.ts";

const read = (env: Record<string, string> = {}): Config => loadConfig({ flags: {}, env, cwd: "/" }).config;

test("what can follow is in force, what cannot waits, the rest stays", () => {
  const running = read({ MAX_RETRIES: "1", GATEWAY_PORT: "9000" });
  const { config, changed, waiting } = reload(running, read({ GATEWAY_PORT: "9001", IP_DENY_LIST: "10.0.0.0/8" }));
  expect(changed.toSorted()).toEqual(["IP_DENY_LIST", "MAX_RETRIES"]);
  expect(waiting).toEqual(["GATEWAY_PORT"]);
  expect(config).toEqual({ ...running, MAX_RETRIES: 3, IP_DENY_LIST: ["10.0.0.0/8"] });
});

test("a configuration that says the same changes nothing, however it is written", () => {
  const { changed, waiting } = reload(read({ PROXY_TIMEOUT: "30" }), read({ PROXY_TIMEOUT: "30s" }));
  expect([changed, waiting]).toEqual([[], []]);
});

test("a change is told as it is written; of a secret only that there is one", () => {
  const [running, next] = [
    read({ MAX_RETRIES: "1", TOKEN_SECRET: "one secret of thirty-two bytes!!" }),
    read({ TOKEN_SECRET: "another secret of thirty-two byte" }),
  ];
  expect(describeChange("MAX_RETRIES", running, next)).toBe("MAX_RETRIES = 1 → 3");
  expect(describeChange("TOKEN_SECRET", running, next)).toBe("TOKEN_SECRET = (changed)");
});
