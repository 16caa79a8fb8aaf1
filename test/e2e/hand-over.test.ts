import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { askToHandOver } from "../../src/daemon/handover/door.ts";
import type { DaemonProcess } from "../support/daemon.ts";
import { Installation } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { startUpstream } from "../support/upstream.ts";

/** The process that holds the data folder; 0 while none does. It ends with the test. */
function holderOf({ dataDir }: Installation): number {
  try {
    return (JSON.parse(readFileSync(join(dataDir, "daemon.json"), "utf8")) as { pid: number }).pid;
  } catch {
    return 0;
  }
}

async function started(env: Record<string, string> = {}): Promise<{ gateway: Installation; daemon: DaemonProcess }> {
  const gateway = new Installation({ RATE_LIMIT_ENABLED: "false", ...env });
  const daemon = await gateway.serve();
  onTestFinished(() => {
    const pid = holderOf(gateway);
    if (pid !== 0 && pid !== daemon.child.pid) process.kill(pid, "SIGKILL");
  });
  return { gateway, daemon };
}

async function recordsOf(gateway: Installation): Promise<Record<string, unknown>[]> {
  const { stdout } = await gateway.run("audit", "tail", "-n", "100000", "-o", "json");
  return stdout
    .trim()
    .split("\n")
    .map((line): Record<string, unknown> => JSON.parse(line));
}

const script = (text: string) => ({ command: process.execPath, args: ["-e", text, "--"] });
const door = (gateway: Installation): string => join(gateway.dataDir, "run", "upgrade.sock");
const isUp = async ({ url }: DaemonProcess): Promise<boolean> =>
  (await fetch(`${url}/health/proxy`).catch(() => undefined))?.status === 200;

test("a hand-over fails no call, leaves every record, lets a stream live on, and can be done again", async () => {
  const { gateway, daemon } = await started({ KEEP_ALIVE_TIMEOUT: "2s" });
  let ticking = true;
  const url = await startUpstream((req, res) => {
    if (req.url !== "/stream") return void res.end("ok");
    res.writeHead(200, { "content-type": "text/event-stream" });
    const timer = setInterval(() => {
      res.write("data: tick\n\n");
      if (ticking) return;
      clearInterval(timer);
      res.end();
    }, 20);
  });
  await gateway.run("sandbox", "add", "box", "--url", url);
  const { authorization } = await gateway.token();
  const statuses: (number | string)[] = [];
  const call = async (dispatcher: Agent): Promise<void> => {
    try {
      const { statusCode, body } = await request(`${daemon.url}/s/box/`, { headers: { authorization }, dispatcher });
      await body.dump();
      statuses.push(statusCode);
    } catch (error) {
      statuses.push(String(error));
    }
  };
  const stream = await fetch(`${daemon.url}/s/box/stream`, { headers: { authorization } });
  const streamed = stream.text();
  const kept = new Agent({ connections: 4 });
  const calls: Promise<unknown>[] = [];
  const timer = setInterval(() => {
    const fresh = new Agent({ connections: 1 });
    calls.push(
      call(kept),
      call(fresh).then(() => fresh.close()),
    );
  }, 40);
  const pids = [holderOf(gateway)];
  for (let round = 0; round < 2; round += 1) {
    const { code, stdout, stderr } = await gateway.run("upgrade", "-o", "json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { pid } = JSON.parse(stdout) as { pid: number };
    expect(pids).not.toContain(pid);
    expect(holderOf(gateway)).toBe(pid);
    pids.push(pid);
  }
  clearInterval(timer);
  await Promise.all(calls);
  await kept.close();
  expect(statuses.length).toBeGreaterThan(50);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  expect(daemon.child.exitCode).toBe(null); // the stream is its
  const ended = daemon.end("SIGCONT"); // does nothing but to wait for it
  ticking = false;
  expect(await streamed).toMatch(/^(?:data: tick\n\n)+$/);
  expect(await ended).toBe(0);
  expect((await gateway.run("reload")).code).toBe(0);
  expect((await gateway.run("audit", "verify")).code).toBe(0);
  const proxied = (await recordsOf(gateway)).filter(({ kind }) => kind === "proxy");
  expect(proxied).toHaveLength(statuses.length + 1);
}, 120_000);

test("what is left of the old process is cut after HANDOVER_MAX_AGE, and recorded", async () => {
  const { gateway, daemon } = await started({ HANDOVER_MAX_AGE: "200ms" });
  await gateway.run("sandbox", "add", "box", "--url", await startUpstream((_req, res) => void res.write("begun")));
  const { authorization } = await gateway.token();
  const response = await fetch(`${daemon.url}/s/box/`, { headers: { authorization } });
  const broken = response.text().catch(String);
  const ended = daemon.end("SIGCONT");
  expect((await gateway.run("upgrade")).code).toBe(0);
  expect(await broken).toContain("terminated");
  expect(await ended).toBe(0);
  expect((await recordsOf(gateway)).filter(({ outcome }) => outcome === "GW_002")).toHaveLength(1);
}, 60_000);

test("while a new process cannot serve the old one does, says why, and refuses a second hand-over meanwhile", async () => {
  const { gateway, daemon } = await started();
  const { pid } = daemon.child;
  // It never says anything.
  const first = askToHandOver(
    door(gateway),
    script("setInterval(() => {}, 1000); process.on('disconnect', process.exit)"),
  );
  const failed = first.catch((error: unknown) => error);
  await eventually("it has begun", () => daemon.log.join("").includes("handing over"));
  const second = await gateway.run("upgrade");
  expect(second.code).toBe(6);
  expect(second.stderr).toContain("a hand-over is under way");
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  for (const child of children) process.kill(Number(child), "SIGKILL");
  expect(await failed).toMatchObject({ code: "GW_020", details: expect.stringContaining("SIGKILL") });
  // It says that it could start, gets the data folder, and dies.
  const dying = script(
    "process.send({ kind: 'ready' }); process.on('message', ({ kind }) => kind === 'yours' && process.exit(3))",
  );
  await expect(askToHandOver(door(gateway), dying)).rejects.toMatchObject({ details: "it ended with exit code 3" });
  // The real program with a configuration that is wrong says what is.
  const wrong = script(
    `require("node:child_process"); process.send({ kind: "failed", problem: "GW_012: PROXY_TIMEOUT is no duration" })`,
  );
  await expect(askToHandOver(door(gateway), wrong)).rejects.toMatchObject({
    details: "GW_012: PROXY_TIMEOUT is no duration",
  });
  await expect(askToHandOver(door(gateway), { command: "/nonexistent", args: [] })).rejects.toMatchObject({
    code: "GW_020",
    details: expect.stringContaining("ENOENT"),
  });
  expect(await isUp(daemon)).toBe(true);
  expect(holderOf(gateway)).toBe(pid);
  // It is the daemon as before: a change is in force when the command returns, a hand-over can succeed.
  const added = await gateway.run("sandbox", "add", "box", "--url", "http://127.0.0.1:1");
  expect({ code: added.code, stderr: added.stderr }).toEqual({ code: 0, stderr: "" });
  expect((await gateway.run("upgrade")).code).toBe(0);
  expect(holderOf(gateway)).not.toBe(pid);
}, 120_000);

test("a new process whose configuration is invalid leaves the old one serving and says what is wrong", async () => {
  const { gateway, daemon } = await started();
  const file = join(gateway.dataDir, "..", "sandboxgw.ini");
  writeFileSync(file, "[gateway]\nPROXY_TIMEOUT = soon\n");
  const [command = "", ...args] = gateway.command("--config", file);
  const answer = askToHandOver(door(gateway), { command, args });
  await expect(answer).rejects.toMatchObject({ code: "GW_020", details: expect.stringContaining("PROXY_TIMEOUT") });
  expect(await isUp(daemon)).toBe(true);
  expect(holderOf(gateway)).toBe(daemon.child.pid);
}, 60_000);

test("an old process that is killed in the middle of a hand-over leaves the new one serving", async () => {
  const { gateway, daemon } = await started();
  const asked = askToHandOver(door(gateway), script("0")).catch(() => undefined);
  await asked; // one that fails is no hindrance
  const upgrade = gateway.run("upgrade");
  await eventually("it has begun", () => daemon.log.filter((line) => line.includes("handing over")).length === 2);
  await daemon.end("SIGKILL");
  expect((await upgrade).code).not.toBe(0);
  await eventually("the new one serves", () => isUp(daemon), 20_000);
  expect((await gateway.run("status")).code).toBe(0);
  expect((await gateway.run("audit", "verify")).code).toBe(0);
}, 60_000);

test("nobody but a running gateway starts a process with --takeover", async () => {
  const { code, stderr } = await new Installation().run("serve", "--takeover", "{}");
  expect(code).toBe(6);
  expect(stderr).toContain("--takeover is for a process that a running gateway starts");
});
