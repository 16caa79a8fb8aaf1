import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { descendantsOf, isAlive } from "../../support/processes.ts";
import { EmbeddedSandbox } from "./embedded-sandbox.ts";

const ENDLESS = "while :; do :; done";
const sandbox = new EmbeddedSandbox({ maxRuns: 1 }, { uid: 0 });
beforeAll(() => sandbox.start());
afterAll(() => sandbox.close());

const execute = (code: string) => JSON.stringify({ operation: "run_code", payload: { language: "bash", code } });
/** Hundredths of a second of processor time that a runner has only taken when it does more than start. */
const RUNNING = 150;
const patiently = { timeout: 10_000 };

/** The processes of the instance's runs. */
const runners = () => descendantsOf(sandbox.hostPid());

test("under root it is warned of, once", () => {
  expect(sandbox.warnings).toEqual([expect.stringContaining("runs as root")]);
});

test("ten callers at once are all served, each with its own answer", async () => {
  const numbers = Array.from({ length: 9 }, (_, index) => `${index}\n`);
  const outcomes = await Promise.all(numbers.map((_, index) => sandbox.bash(`echo ${index}`)));
  expect(outcomes.map(({ stdout }) => stdout)).toEqual(numbers);
});

test("callers beyond a short queue are told to come back, and those who leave make room", async () => {
  const patience = new AbortController();
  const waiting = Array.from({ length: 9 }, () => sandbox.call(execute(ENDLESS), { signal: patience.signal }));
  const left = Promise.allSettled(waiting);
  const refused = await vi.waitUntil(async () => {
    const soon = AbortSignal.any([patience.signal, AbortSignal.timeout(100)]);
    return sandbox.call(execute("echo"), { signal: soon }).catch(() => undefined);
  }, patiently);
  expect(refused).toMatchObject({ status: 503, headers: { "retry-after": "1" }, body: { error: { code: "busy" } } });
  patience.abort();
  expect((await left).every(({ status }) => status === "rejected")).toBe(true);
  const next = await vi.waitUntil(() => sandbox.bash("echo next").catch(() => undefined), patiently);
  expect(next.stdout).toBe("next\n");
});

test("a run whose turn does not come in time is refused, not begun, and leaves the queue", async () => {
  const short = new EmbeddedSandbox({ maxRuns: 1, beginMs: 4_000 });
  await short.start();
  expect(await vi.waitUntil(() => short.bash("echo ready").catch(() => undefined), patiently)).toBeDefined();
  expect(short.warnings).toEqual([]); // not root's
  const patience = new AbortController();
  const first = short.call(execute(ENDLESS), { signal: patience.signal }).catch(() => "left");
  await vi.waitUntil(() => descendantsOf(short.hostPid()).some((pid) => cpuTicks(pid) > RUNNING), patiently);
  const late = await short.call(execute("echo never"));
  expect(late).toMatchObject({
    status: 503,
    headers: { "retry-after": "1" },
    body: { error: { code: "busy", message: "the run could not begin within 4000 ms" } },
  });
  patience.abort();
  expect(await first).toBe("left");
  await short.close();
});

test("a run whose caller goes away is killed", async () => {
  const before = await vi.waitUntil(() => runners()[0], patiently); // the one kept ready: it will do the run
  const patience = new AbortController();
  const call = sandbox.call(execute(ENDLESS), { signal: patience.signal });
  await vi.waitFor(() => expect(cpuTicks(before)).toBeGreaterThan(RUNNING), patiently);
  patience.abort();
  await expect(call).rejects.toThrow("aborted");
  await vi.waitFor(() => expect(isAlive(before)).toBe(false), patiently);
});

test("a host that is killed takes its runs with it and is back at once", async () => {
  const host = sandbox.hostPid();
  const known = sandbox.states.length;
  const cut = sandbox.call(execute(ENDLESS)).catch((error: unknown) => error);
  await vi.waitFor(() => expect(runners().length).toBeGreaterThan(0), patiently);
  const orphans = runners();
  process.kill(host, "SIGKILL");
  expect(await cut).toBeInstanceOf(Error);
  await vi.waitFor(() => expect(sandbox.states.slice(known)).toEqual(["down", "starting", "up"]), patiently);
  expect(orphans.filter(isAlive)).toEqual([]);
  expect((await sandbox.bash("echo back")).stdout).toBe("back\n");
});

test("closing leaves neither process nor socket, even while a run goes on", async () => {
  const busy = new EmbeddedSandbox();
  await busy.start();
  const host = busy.hostPid();
  const call = busy.call(execute(ENDLESS)).catch((error: unknown) => error);
  await vi.waitFor(() => expect(descendantsOf(host).length).toBeGreaterThan(0), patiently);
  const all = [host, ...descendantsOf(host)];
  await busy.close();
  expect(await call).toBeInstanceOf(Error);
  expect(all.filter(isAlive)).toEqual([]);
  expect(busy.states.at(-1)).toBe("down");
});

test("when the daemon is killed, its hosts and runs end by themselves", async () => {
  const script = `
    import { EmbeddedSandbox } from ${JSON.stringify(new URL("./embedded-sandbox.ts", import.meta.url).href)};
    const sandbox = new EmbeddedSandbox();
    await sandbox.start();
    console.log(sandbox.folder);
    await sandbox.bash(${JSON.stringify("sleep 60")}, {}, 20000);`;
  const daemon: ChildProcess = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "pipe" });
  if (daemon.stdout === null || daemon.pid === undefined) throw new Error("not started");
  const [folder]: string[] = await once(createInterface({ input: daemon.stdout }), "line");
  const { pid } = daemon;
  await vi.waitFor(() => expect(descendantsOf(pid).length).toBeGreaterThanOrEqual(2), patiently);
  const all = descendantsOf(pid);
  daemon.kill("SIGKILL");
  await vi.waitFor(() => expect(all.filter(isAlive)).toEqual([]), patiently);
  fs.rmSync(String(folder), { recursive: true });
});

/** Processor time of a process in hundredths of a second; 0 when it is gone. */
function cpuTicks(pid: number): number {
  try {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}
