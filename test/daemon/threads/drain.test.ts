import { expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { startInProcessDaemon } from "../../support/in-process-daemon.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { startUpstream } from "../../support/upstream.ts";

function times<T>(count: number, one: () => T): T[] {
  return Array.from({ length: count }, one);
}

test("calls cut at the end of the grace are told so, and every one of them leaves its record", async () => {
  const { daemon, url, addSandbox, token, records } = await startInProcessDaemon({
    RATE_LIMIT_ENABLED: "false",
    MAX_CONCURRENT_PER_CALLER: "50",
    MAX_CONCURRENT_PER_SANDBOX: "50",
  });
  let reached = 0;
  const upstream = await startUpstream((req, res) => {
    reached += 1;
    req.resume();
    if (req.url === "/stream") res.write("begun");
  });
  await addSandbox("box", upstream);
  const { authorization } = await token();
  const headers = { authorization, "content-type": "application/json" };
  const call = async (path: string, init: { method?: string; body?: string } = {}): Promise<string> => {
    const response = await fetch(url + path, { ...init, headers });
    return response.text().then(
      (text) => `${response.status} ${text}`,
      () => "broken off",
    );
  };
  const body = JSON.stringify({
    sandbox_id: "box",
    operation: "run_code",
    payload: { language: "bash", code: "true" },
  });
  const calls = [
    ...times(15, () => call("/s/box/quiet")),
    ...times(10, () => call("/s/box/quiet", { method: "POST", body: "x" })),
    ...times(15, () => call("/api/v1/sandbox/execute", { method: "POST", body })),
    ...times(10, () => call("/s/box/stream")),
  ];
  await eventually("all have reached the sandbox", () => reached === 50);
  await daemon.close(300);
  const told: unknown = expect.stringMatching(/^503 .*"code":"GW_002".*"retryable":false,"executed":"maybe"/);
  expect(await Promise.all(calls)).toEqual([...times(40, () => told), ...times(10, () => "broken off")]);
  expect(records().filter(({ outcome }) => outcome === "GW_002")).toHaveLength(50);
}, 60_000);

test("a token that is revoked while the daemon drains loses its stream within a second", async () => {
  const { daemon, admin, url, addSandbox, token, records, verbs } = await startInProcessDaemon();
  const upstream = await startUpstream((req, res) => {
    const timer = setInterval(() => res.write("data: tick\n\n"), 20);
    req.socket.once("close", () => clearInterval(timer));
  });
  await addSandbox("box", upstream);
  const { id, authorization } = await token();
  const response = await fetch(`${url}/s/box/`, { headers: { authorization } });
  const ended = response.text().then(
    () => "complete",
    () => "broken off",
  );
  const closed = daemon.close(15_000);
  await eventually("it drains", async () => (await (await fetch(`${admin}/readyz`)).text()) === "shutting down\n");
  await verbs.tokens.revoke(ACTOR, id);
  const revokedAt = performance.now();
  expect(await ended).toBe("broken off");
  expect(performance.now() - revokedAt).toBeLessThan(1000);
  await closed; // nothing else is left, so it does not wait for the end of the grace
  expect(records()).toMatchObject([{ outcome: "AUTH_001" }]);
}, 60_000);

const CALL = "GET /s/box/ HTTP/1.1\r\nhost: gw\r\n\r\n";

test("each connection, kept alive or new, gets one more answer before the listener closes", async () => {
  const { daemon, admin } = await startInProcessDaemon({ SHUTDOWN_DELAY: "600ms" });
  const kept = await RawConnection.open(daemon.port);
  await kept.send(CALL).received("\r\n\r\n{");
  expect(kept.text).not.toMatch(/connection: close/i);
  const idle = await RawConnection.open(daemon.port);
  await idle.send(CALL).received("\r\n\r\n{");
  const closed = daemon.close(5_000);
  expect((await fetch(`${admin}/readyz`)).status).toBe(503);
  const fresh = await RawConnection.open(daemon.port);
  for (const connection of [kept.send(CALL), fresh.send(CALL)]) {
    await connection.received(/connection: close[^]*\r\n\r\n\{/i);
    await connection.end();
  }
  expect(kept.statuses).toEqual([401, 401]);
  expect(fresh.statuses).toEqual([401]);
  expect(idle.closed).toBe(false);
  await idle.end();
  await closed;
  await expect(RawConnection.open(daemon.port)).rejects.toThrow("ECONNREFUSED");
});

test("what waits to be accepted when the listener closes is served", async () => {
  const { gateway, port } = await startTestGateway();
  // All are connected in this turn of the event loop, so that none has been accepted when the drain begins.
  const waiting = times(30, () => new RawConnection(port).send(CALL));
  await Promise.all([
    gateway.drain({ graceMs: 5_000, delayMs: 0, accept: "delay" }),
    ...waiting.map((connection) => connection.end()),
  ]);
  expect(waiting.map(({ statuses }) => statuses)).toEqual(times(30, () => [401]));
});
