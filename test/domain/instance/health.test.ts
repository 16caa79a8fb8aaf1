import { expect, test } from "vitest";
import { fastIntervalMs, healthCheckOf } from "../../../src/domain/instance/health.ts";
import { sandboxOf } from "../../support/balancing.ts";
import { HEALTH } from "../../support/health.ts";

test("nothing is checked unless the configuration or the sandbox says so", () => {
  expect(healthCheckOf(sandboxOf([1]), HEALTH)).toBeUndefined();
  expect(healthCheckOf(sandboxOf([1]), { ...HEALTH, kind: "tcp" })?.kind).toBe("tcp");
  expect(healthCheckOf(sandboxOf([1], { settings: { healthCheck: "http" } }), HEALTH)?.kind).toBe("http");
  const off = sandboxOf([1], { settings: { healthCheck: "off" } });
  expect(healthCheckOf(off, { ...HEALTH, kind: "tcp" })).toBeUndefined();
});

test("what the gateway starts itself is checked only when that is asked for", () => {
  const plain = sandboxOf([1]);
  const managed = { ...plain, instances: plain.instances.map((each) => ({ ...each, url: "unix:ins_0.sock" })) };
  expect(healthCheckOf(managed, { ...HEALTH, kind: "tcp" })).toBeUndefined();
  expect(healthCheckOf({ ...managed, settings: { healthCheck: "tcp" } }, HEALTH)?.kind).toBe("tcp");
});

test("the sandbox's settings go before the configuration's", () => {
  const { panicThreshold: _, ...defaults } = HEALTH;
  const set = { healthPath: "/up", healthStatus: [[204, 204]], healthInterval: 1, healthTimeout: 2 } as const;
  const sandbox = sandboxOf([1], { settings: { healthCheck: "http", ...set, healthRise: 4, healthFall: 5 } });
  expect(healthCheckOf(sandbox, HEALTH)).toEqual({
    kind: "http",
    program: "",
    path: "/up",
    statuses: [[204, 204]],
    intervalMs: 1,
    timeoutMs: 2,
    rise: 4,
    fall: 5,
  });
  expect(healthCheckOf(sandboxOf([1], { settings: { healthCheck: "http" } }), HEALTH)).toEqual({
    ...defaults,
    kind: "http",
    program: "",
  });
});

test.each([
  [10_000, 2_000],
  [5_000, 1_000],
  [2_000, 1_000],
  [200, 200],
])("an instance that is asked every %d ms is asked every %d ms while it fails", (intervalMs, fastMs) => {
  expect(fastIntervalMs({ intervalMs })).toBe(fastMs);
});
