import { describe, expect, test } from "vitest";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { ACTOR } from "../support/gateway.ts";
import { startInProcessDaemon } from "../support/in-process-daemon.ts";
import { mayMount, mountSmallDisk } from "../support/small-disk.ts";
import { readAll, startUpstream } from "../support/upstream.ts";

/** A gateway whose data folder is on a disk of 16 MiB, before a sandbox that counts what reaches it. */
async function onSmallDisk(env: Record<string, string> = {}) {
  const disk = mountSmallDisk(16 * 2 ** 20);
  const gateway = await startInProcessDaemon({ DATA_DIR: join(disk.folder, "data"), ...env });
  let reached = 0;
  const url = await startUpstream(async (req, res) => {
    await readAll(req);
    reached += 1;
    res.setHeader("content-type", "application/json").end('{"status":"ok","stdout":"1"}');
  });
  await gateway.addSandbox("box", url);
  const { authorization } = await gateway.token();
  const headers = { authorization, "content-type": "application/json" };
  const body = JSON.stringify({ sandbox_id: "box", operation: "run_code", payload: { code: "1" } });
  const call = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${gateway.url}${path}`, { headers, ...init });
    return { status: response.status, text: await response.text(), retryAfter: response.headers.get("retry-after") };
  };
  return {
    gateway,
    disk,
    reached: () => reached,
    proxied: () => call("/s/box/"),
    execute: () => call("/api/v1/sandbox/execute", { method: "POST", body }),
    page: (path: string) => call(path),
    ready: async () => (await fetch(`${gateway.admin}/readyz`)).status,
    verify: () => gateway.verbs.audit.verify(ACTOR),
  };
}

describe.skipIf(!mayMount())("a full disk (skipped where nothing may be mounted)", () => {
  test("has calls refused before they reach a sandbox, and is forgotten within 5 s of having room again", async () => {
    const { disk, reached, proxied, execute, page, ready, verify } = await onSmallDisk();
    expect([(await proxied()).status, (await execute()).status]).toEqual([200, 200]);
    disk.fill();
    // The write-ahead log has room of its own until it has to grow.
    await eventually("records cannot be written", async () => (await proxied()).status === 503, 20_000);
    const before = reached();
    for (const answer of [await proxied(), await execute()]) {
      expect(answer.status).toBe(503);
      expect(answer.text).toContain('"code":"GW_003"');
      expect(answer.text).toContain('"executed":"no"');
      expect(answer.retryAfter).toBe("5");
    }
    expect(reached()).toBe(before);
    const health = await page("/health/proxy");
    expect([health.status, JSON.parse(health.text)]).toMatchObject([503, { status: "down", audit: "failing" }]);
    expect(await ready()).toBe(503);
    disk.empty();
    const freedAt = performance.now();
    await eventually("calls are served again", async () => (await proxied()).status === 200);
    expect(performance.now() - freedAt).toBeLessThan(5_000);
    expect((await execute()).status).toBe(200);
    expect(await ready()).toBe(200);
    expect(await verify()).toMatchObject({ intact: true });
  }, 60_000);

  test("has calls served all the same where AUDIT_FAIL_MODE is open, and their records written later", async () => {
    const { gateway, disk, reached, proxied, page, ready, verify } = await onSmallDisk({ AUDIT_FAIL_MODE: "open" });
    disk.fill();
    const degraded = async () => (await page("/health/proxy")).text.includes('"audit":"failing"');
    let calls = 0;
    await eventually(
      "records cannot be written",
      async () => {
        calls += 1;
        return (await proxied()).status === 200 && (await degraded());
      },
      20_000,
    );
    for (let more = 0; more < 20; more++) expect((await proxied()).status).toBe(200);
    const health = await page("/health/proxy");
    expect([health.status, JSON.parse(health.text)]).toMatchObject([200, { status: "degraded" }]);
    expect(await ready()).toBe(200);
    disk.empty();
    await eventually("records are written again", async () => !(await degraded()));
    expect(reached()).toBe(calls + 20);
    expect(gateway.records().filter(({ kind }) => kind === "proxy")).toHaveLength(calls + 20);
    expect(await verify()).toMatchObject({ intact: true });
  }, 60_000);
});
