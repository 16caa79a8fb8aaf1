import { expect, test } from "vitest";
import { Installation } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";

test("a call that waits in vain for the embedded sandbox was not executed, and a run may take longer than PROXY_TIMEOUT", async () => {
  const gateway = new Installation({ SANDBOX_MAX_RUNS: "1", SANDBOX_RUN_TIMEOUT: "9s", PROXY_TIMEOUT: "2s" });
  await gateway.run("sandbox", "add", "box", "--driver", "wasm");
  const { authorization } = await gateway.token();
  const daemon = await gateway.serve({ workers: 1 });
  const headers = { authorization, "content-type": "application/json" };
  const execute = async (code: string, more: Record<string, unknown> = {}) => {
    const payload = { language: "bash", code };
    const body = JSON.stringify({ sandbox_id: "box", operation: "run_code", payload, ...more });
    const response = await fetch(`${daemon.url}/api/v1/sandbox/execute`, { method: "POST", headers, body });
    const answer = (await response.json()) as Record<string, unknown>;
    return { status: response.status, retryAfter: response.headers.get("retry-after"), answer };
  };
  await eventually("it runs code", async () => (await execute("echo ready")).status === 200, 15_000);
  const endless = execute("while true; do :; done");
  await eventually("it is under way", async () => {
    const page = (await (await fetch(`${daemon.url}/health/proxy`)).json()) as { in_flight: number };
    return page.in_flight === 1;
  });
  const late = await execute("echo never", { timeout_ms: 1_000 });
  const first = await endless;
  expect(first).toMatchObject({ status: 200, answer: { status: "timeout" } });
  expect(late).toMatchObject({ status: 503, retryAfter: "1" });
  expect(late.answer).toMatchObject({ error: { code: "SANDBOX_001", executed: "no", retryable: true } });
}, 60_000);
