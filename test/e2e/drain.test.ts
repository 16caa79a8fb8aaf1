import { expect, test } from "vitest";
import { Installation } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { startUpstream } from "../support/upstream.ts";

function times<T>(count: number, one: () => T): T[] {
  return Array.from({ length: count }, one);
}

const JSON_BODY = { "content-type": "application/json" };

test("calls cut at the end of the grace are told so, and every one of them leaves its record", async () => {
  const gateway = new Installation({ SHUTDOWN_GRACE: "300ms", RATE_LIMIT_ENABLED: "false" });
  const daemon = await gateway.serve({ workers: 2 });
  let reached = 0;
  const url = await startUpstream((req, res) => {
    reached += 1;
    req.resume();
    if (req.url === "/stream") res.write("begun");
  });
  await gateway.run("sandbox", "add", "box", "--url", url);
  const { authorization } = await gateway.token();
  const call = async (path: string, init: { method?: string; body?: string } = {}): Promise<string> => {
    const response = await fetch(daemon.url + path, { ...init, headers: { authorization, ...JSON_BODY } });
    return response.text().then(
      (text) => `${response.status} ${text}`,
      () => "broken off",
    );
  };
  await eventually("the sandbox is there", async () => (await call("/api/v1/sandboxes")).includes('"box"'));
  const body = JSON.stringify({
    sandbox_id: "box",
    operation: "run_code",
    payload: { language: "bash", code: "true" },
  });
  const execute = { method: "POST", body };
  const calls = [
    ...times(15, () => call("/s/box/quiet")),
    ...times(10, () => call("/s/box/quiet", { method: "POST", body: "x" })),
    ...times(15, () => call("/api/v1/sandbox/execute", execute)),
    ...times(10, () => call("/s/box/stream")),
  ];
  await eventually("all have reached the sandbox", () => reached === 50);
  expect(await daemon.end("SIGTERM")).toBe(0);
  const told: unknown = expect.stringMatching(/^503 .*"code":"GW_002".*"retryable":false,"executed":"maybe"/);
  expect(await Promise.all(calls)).toEqual([...times(40, () => told), ...times(10, () => "broken off")]);
  const { stdout } = await gateway.run("audit", "tail", "-n", "1000", "-o", "json");
  expect(stdout.split("\n").filter((line) => line.includes("GW_002"))).toHaveLength(50);
});
