import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EmbeddedSandbox } from "./embedded-sandbox.ts";

const OUTPUT = 50_000;
const sandbox = new EmbeddedSandbox({ outputBytes: OUTPUT, memoryBytes: 320 * 2 ** 20, maxTimeoutMs: 10_000 });
beforeAll(() => sandbox.start());
afterAll(() => sandbox.close());

/** The instance still does what it is asked. */
async function stillWorks(): Promise<void> {
  expect(await sandbox.bash("echo still here")).toMatchObject({ status: "ok", stdout: "still here\n" });
}

describe.concurrent("time", () => {
  test.each([
    ["python", "import time\ntime.sleep(60)"],
    ["javascript", "while (true) {}"],
    ["bash", "while :; do :; done"],
    ["bash", "sleep 60"],
  ])("%s that does not end is stopped at its limit: %s", async (language, code) => {
    const outcome = await sandbox.run({ language, code }, 1_000);
    const error = { name: "Timeout", value: "ran longer than 1000 ms", traceback: [] };
    expect(outcome).toMatchObject({ status: "timeout", exit_code: null, signal: "SIGKILL", error });
    expect(outcome.duration_ms).toBeGreaterThanOrEqual(1_000);
    await stillWorks();
  });

  test("what was printed before the limit is kept", async () => {
    const outcome = await sandbox.python("print('before')\nwhile True: pass", {}, 5_000);
    expect(outcome).toMatchObject({ status: "timeout", stdout: "before\n" });
  });

  test("no run may ask for more than the greatest limit", async () => {
    const short = new EmbeddedSandbox({ maxTimeoutMs: 300 });
    await short.start();
    expect((await short.bash("while :; do :; done", {}, 60_000)).status).toBe("timeout");
    await short.close();
  });
});

describe.concurrent("memory", () => {
  test.each([
    ["python", "a = []\nwhile True: a.append(bytearray(20_000_000))"],
    ["javascript", "const a = []; while (true) a.push(new Array(100000).fill(1.5))"],
    ["bash", "a=x; for i in {1..24}; do a=$a$a; done; while :; do b+=(${a:1}); done"],
  ])("%s that takes ever more is killed", async (language, code) => {
    const outcome = await sandbox.run({ language, code }, 10_000);
    expect(outcome).toMatchObject({ status: "killed", signal: "SIGKILL", error: { name: "MemoryLimit" } });
    expect(outcome.error?.value).toBe("used more than 320 MB");
    await stillWorks();
  });
});

describe.concurrent("output", () => {
  test.each([
    ["python", "while True: print('x' * 1000)"],
    ["javascript", "while (true) console.log('x'.repeat(1000))"],
    ["bash", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"],
  ])("%s that prints without end is stopped, and the beginning is kept", async (language, code) => {
    const outcome = await sandbox.run({ language, code }, 4_000);
    expect(outcome.status).not.toBe("ok");
    expect(outcome.truncated || outcome.status === "timeout").toBe(true);
    expect(Buffer.byteLength(outcome.stdout)).toBeLessThanOrEqual(OUTPUT);
  });

  test.each([
    ["python", "print('x' * 5_000_000); print('end')"],
    ["python", "import sys; sys.stderr.write('x' * 5_000_000)"],
    ["javascript", "console.log('x'.repeat(5e6)); console.log('end')"],
    ["javascript", "for (let i = 0; i < 5000; i++) console.error('x'.repeat(1000))"],
  ])("%s that prints far too much at once ends as it would, and the beginning is kept: %s", async (language, code) => {
    const { status, stdout, stderr, truncated } = await sandbox.run({ language, code });
    expect({ status, truncated }).toEqual({ status: "ok", truncated: true });
    expect(Buffer.byteLength(stdout + stderr)).toBe(OUTPUT);
  });

  test("too much of it is cut between characters and the program goes on", async () => {
    const outcome = await sandbox.python("import sys\nprint('€' * 30_000)\nprint('end', file=sys.stderr)");
    const kept = "€".repeat(Math.floor(OUTPUT / 3));
    expect(outcome).toMatchObject({ status: "ok", stdout: kept, stderr: "end\n", truncated: true });
  });
});

test.concurrent("functions that call themselves in pipes and background do not multiply processes", async () => {
  expect(await sandbox.bash("f() { f | f & }; f")).toMatchObject({ status: "error" });
});

test.concurrent("a runtime that crashes ends only its run", async () => {
  const deep = "def f(n): return [n, f(n + 1)]\nimport sys\nsys.setrecursionlimit(10**9)\nf(0)";
  expect((await sandbox.python(deep, {}, 5_000)).status).not.toBe("ok");
  await stillWorks();
});
