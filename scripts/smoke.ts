// Shows that dist/sandboxgw needs nothing but itself: in an empty folder, without Node in PATH, it serves a gateway
// and runs Python, JavaScript and bash in its own sandbox. Prints a line per step; ends with 1 at the first that fails.
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { z } from "zod";
import { VERSION } from "../src/version.ts";

const built = path.join(path.dirname(import.meta.dirname), "dist/sandboxgw");
const home = fs.mkdtempSync(path.join(os.tmpdir(), "sandboxgw-smoke-"));
const program = path.join(home, "sandboxgw");
const dataDir = path.join(home, "data");
const Listening = z.object({ msg: z.literal("listening"), url: z.url(), admin: z.url() });
const Executed = z.object({ result: z.object({ stdout: z.string() }) });

// NODE_OPTIONS would end every step if the packaged file heeded it.
const env = { PATH: "/nonexistent", HOME: home, NODE_OPTIONS: "--require=/nonexistent/injected.cjs" };
let daemon: ChildProcess | undefined;
process.once("exit", () => daemon?.kill("SIGKILL"));

try {
  if (!fs.existsSync(built)) await step("package", () => import("./package.ts"));
  fs.copyFileSync(built, program, fs.constants.COPYFILE_FICLONE);
  await smoke();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  fs.rmSync(home, { recursive: true, force: true });
}

async function smoke(): Promise<void> {
  await step("--version", async () => {
    const printed = await sandboxgw("--version");
    assert.equal(printed.trim(), VERSION);
    return printed.trim();
  });

  const { url, admin } = await step("serve", serve);
  await step("ready", async () => assert.equal((await fetch(`${admin}/readyz`)).status, 200));
  const { token } = await step("token create", async () => {
    const printed = await sandboxgw("token", "create", "--sub", "smoke", "--role", "executor", "-o", "json");
    return z.object({ token: z.string() }).parse(JSON.parse(printed));
  });
  await step("sandbox add", async () => void (await sandboxgw("sandbox", "add", "demo", "--driver", "wasm")));

  const hello = { python: "print('Hello World')", javascript: "console.log('Hello World')", bash: "echo Hello World" };
  for (const note of ["first", "again"]) {
    for (const [language, code] of Object.entries(hello)) {
      await step(`${language}, ${note}`, async () => {
        const stdout = await execute(url, token, { language, code });
        assert.equal(stdout, "Hello World\n");
        return JSON.stringify(stdout);
      });
    }
  }
  await step("stop", stop);
}

/** Runs a step and prints how long it took, with what it returns when that is a text. */
async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await work();
  const ms = (performance.now() - startedAt).toFixed(0);
  console.log(`${name.padEnd(18)} ${ms.padStart(6)} ms  ${typeof result === "string" ? result : ""}`);
  return result;
}

/** One command to its end; its stdout. @throws when it ends with another code than 0. */
async function sandboxgw(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, ["--data-dir", dataDir, ...args], { cwd: home, env });
  return stdout;
}

async function serve(): Promise<{ url: string; admin: string }> {
  const args = ["--data-dir", dataDir, "serve", "--port", "0", "--admin-port", "0"];
  const child = spawn(program, args, {
    cwd: home,
    env: { ...env, LOG_FORMAT: "json" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  daemon = child;
  const said: string[] = [];
  const listening = Promise.withResolvers<z.infer<typeof Listening>>();
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      said.push(line);
      const parsed = Listening.safeParse(json(line));
      if (parsed.success) listening.resolve(parsed.data);
    });
  }
  child.once("exit", (code) => listening.reject(new Error(`serve ended with ${code}:\n${said.join("\n")}`)));
  return listening.promise;
}

/** What the program printed. Repeats the call while the gateway says that the sandbox is not up yet. */
async function execute(url: string, token: string, payload: { language: string; code: string }): Promise<string> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const response = await fetch(`${url}/api/v1/sandbox/execute`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ sandbox_id: "demo", operation: "run_code", payload }),
    });
    const body = await response.text();
    if (response.status === 200) return Executed.parse(JSON.parse(body)).result.stdout;
    if (response.status !== 503 || performance.now() > deadline) throw new Error(`${response.status}: ${body}`);
    await delay(20);
  }
}

/** SIGTERM ends the daemon with 0 and leaves none of its sockets behind. */
async function stop(): Promise<string> {
  const child = daemon;
  assert.ok(child !== undefined);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const [code]: unknown[] = await ended;
  assert.equal(code, 0);
  assert.deepEqual(fs.readdirSync(path.join(dataDir, "run")), []);
  return "exit code 0";
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
