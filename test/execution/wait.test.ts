import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { ANSWER_MARGIN_MS, execute, executionFacts } from "../../src/execution/execute.ts";
import { Turns } from "../../src/execution/turns.ts";
import { parseExecute } from "../../src/execution/validate.ts";
import { runLimits } from "../../src/registry.ts";
import { GenericRuntime } from "../../src/runtimes/generic.ts";

/** How long a call waits for its answer, ms. */
async function waitOf(timeoutMs: number | undefined, ownLimitMs: number | undefined): Promise<number> {
  const body = { sandbox_id: "py", operation: "run_code", payload: { code: "" }, timeout_ms: timeoutMs };
  const request = parseExecute(Buffer.from(JSON.stringify(body)), { maxTimeoutMs: 600_000, maxMembers: 10 });
  let waited = 0;
  await execute({
    request,
    facts: executionFacts(request),
    runtime: new GenericRuntime({ members: 10 }),
    turns: new Turns(),
    ownLimitMs,
    defaultTimeoutMs: 30_000,
    send: async (_call, firstByteMs) => {
      waited = firstByteMs;
      return { status: 200, contentType: "application/json", body: Buffer.from("{}") };
    },
  });
  return waited;
}

/** The embedded sandbox's own limit of a run, ms, with these configuration keys. */
function limitOf(env: Record<string, string>): number {
  return runLimits(loadConfig({ flags: {}, env, cwd: tmpdir() }).config).wasm;
}

test("a call waits beyond the limit of its run, whoever set it: else its answer would be cut off as unknown", async () => {
  expect(await waitOf(1_000, undefined)).toBe(1_000 + ANSWER_MARGIN_MS);
  expect(await waitOf(1_000, 60_000)).toBe(1_000 + ANSWER_MARGIN_MS);
  expect(await waitOf(undefined, 60_000)).toBe(60_000 + ANSWER_MARGIN_MS);
});

test("a call of whose run no limit is known waits as any other", async () => {
  expect(await waitOf(undefined, undefined)).toBe(30_000);
});

test("the embedded sandbox's own limit is known, also where it is longer than PROXY_TIMEOUT", () => {
  expect(limitOf({ SANDBOX_RUN_TIMEOUT: "60s", PROXY_TIMEOUT: "30s" })).toBe(60_000);
  expect(limitOf({ SANDBOX_RUN_TIMEOUT: "60s", EXECUTE_MAX_TIMEOUT: "20s" })).toBe(20_000);
});
